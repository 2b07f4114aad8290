"""The yardstick of the first paint: a Textual application with one table and nothing else."""

from textual.app import App, ComposeResult
from textual.widgets import DataTable


class BareApp(App[None]):
    """One table with one row."""

    def compose(self) -> ComposeResult:
        """The table."""
        table: DataTable[str] = DataTable()
        table.add_columns("SERVICE", "REQ/S", "P95")
        table.add_row("bare-service", "1", "2")
        yield table


if __name__ == "__main__":
    BareApp().run()
