"""The application: it owns the views, passes snapshots on, and does what the registry's actions say."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import App
from textual.binding import Binding, BindingType

from brconsole.domain.fleet import Fleet
from brconsole.tui.actions import BY_ID, Action, Effect
from brconsole.tui.console import Console
from brconsole.tui.glyphs import ascii_only, to_ascii
from brconsole.tui.host import Host
from brconsole.tui.keymap import resolve
from brconsole.tui.messages import DeskAnswered, FleetObserved
from brconsole.tui.paint import Line, shown
from brconsole.tui.state import FleetModel
from brconsole.tui.theme_files import WITHOUT_COLOUR, ThemeFile, load
from brconsole.tui.themes import Palette, toolkit_theme

if TYPE_CHECKING:
    from textual.command import Provider

    from brconsole.operations.desk import Watching
    from brconsole.operations.modes import ModeState
    from brconsole.tui.console import Mode
    from brconsole.tui.screens.base import BoardScreen
    from brconsole.tui.screens.fleet import FleetView
    from brconsole.tui.writes import Writes

SAY_QUIT_S = 2.0
"""A second ctrl+c within this time quits."""
SAY_WHY_S = 8.0
"""The same where there is something to read first: a write under way, or a wheel that is held here."""


def _commands() -> type[Provider]:
    from brconsole.tui.palette import RegistryCommands

    return RegistryCommands


class BrconsoleApp(App[None], inherit_bindings=False):
    """The console's screens on the feeds it was handed."""

    TITLE = "brconsole"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "ask_to_quit", show=False, priority=True)]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}
    COMMAND_PALETTE_BINDING = "f24"  # the registry's own key opens it
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.settings = console
        self.ascii_only = ascii_only(os.environ, getattr(sys.__stdout__, "encoding", None))
        self.keys = resolve(console.keymap)
        self.models = {
            environment.name: FleetModel(environment, number)
            for number, environment in enumerate(console.environments, 1)
        }
        self.theme_set = load(console.themes_folders)
        chosen, problem = self.theme_set.choose(console.theme)
        if self.no_color:
            # Without colour the toolkit turns everything grey, which ANSI themes do not survive: greys from the start.
            chosen = self.theme_set.choose(WITHOUT_COLOUR)[0]
        for theme in self.theme_set.themes.values():
            self.register_theme(toolkit_theme(theme))
        self.palette = Palette(chosen)
        self.theme = chosen.name
        self._problems = [
            *console.problems,
            *self.theme_set.problems,
            *self.keys.problems,
            *([problem] if problem else []),
        ]
        self._views: dict[str, FleetView] = {}
        self._unsubscribe: list[Callable[[], None]] = []
        self._followed: set[str] = set()
        self._last: tuple[str, str | None, str | None] | None = None
        start = console.start if console.start in self.models else None
        self._current: tuple[str, str | None, str | None] = ("wall" if start is None else "fleet", start, None)
        self._base = self._screen_for(*self._current)
        self._overlays: list[BoardScreen] = []
        self._quits_until = float("-inf")
        self._writes: Writes | None = None
        self._watched: tuple[str, Watching | None, bool] | None = None

    # -- life ---------------------------------------------------------------------------------------------------------

    def get_default_screen(self) -> Host:
        """The host of all screens."""
        return Host()

    def on_mount(self) -> None:
        """After the first paint, begin to look."""
        for name, feed in self.settings.feeds.items():
            self._unsubscribe.append(feed.subscribe(self._observer(name)))
        for desk in self.settings.desks.values():
            self._unsubscribe.append(desk.subscribe(self._desk_looked))
        if self.settings.infra is not None:
            self._unsubscribe.append(self.settings.infra.subscribe(lambda: self.from_desk(self.repaint)))
        self.call_after_refresh(self._begin)
        if not self.is_headless:
            self._obey_signals()

    def _obey_signals(self) -> None:
        """A closed terminal ends everything at once; a polite end gives the terminal back first."""
        with suppress(
            ValueError, RuntimeError, AttributeError, NotImplementedError
        ):  # no such signal, not the main thread
            signal.signal(signal.SIGHUP, self._hang_up)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)

    def _begin(self) -> None:
        self._follow(self._current)
        self.set_interval(1.0, self._tick, name="ages")
        for problem in self._problems:
            self.say(problem, "warning", seconds=12)

    def _observer(self, name: str) -> Callable[[Fleet], None]:
        def observed(fleet: Fleet) -> None:
            self.post_message(FleetObserved(name, fleet))

        return observed

    def _desk_looked(self, text: str | None) -> None:
        self.from_desk(self.repaint if text is None else lambda: self.say(text, "warning", seconds=10))

    def from_desk(self, deliver: Callable[[], None]) -> None:
        """Have something done on the screens' loop; called from the desks' thread."""
        self.post_message(DeskAnswered(deliver))

    def on_desk_answered(self, message: DeskAnswered) -> None:
        """Take what a desk says."""
        message.deliver()

    def _hang_up(self, _signal: int, _frame: object) -> None:
        """The terminal is gone: nothing can be shown any more, and nothing is owed."""
        self._stop_feeds()
        os._exit(128 + signal.SIGHUP)

    def _stop_feeds(self) -> None:
        for end in self._unsubscribe:
            end()
        self._unsubscribe.clear()
        for name in self._followed:
            self.settings.feeds[name].stop()
        for desk in self.settings.desks.values():
            desk.stop()
        self._followed.clear()

    def on_unmount(self) -> None:
        """Leave nothing running."""
        self._stop_feeds()

    @property
    def failure(self) -> Exception | None:
        """What ended the application, where that was an error; whoever opened it tells the person."""
        return self._exception

    def _fatal_error(self) -> None:
        """Close after an error without the toolkit's traceback, which nobody at three in the morning can use."""
        self._close_messages_no_wait()

    def action_ask_to_quit(self) -> None:
        """ctrl+c: say how to leave; a second one leaves."""
        now = self._loop_time()
        if now < self._quits_until:
            self.exit()
            return
        unfinished = self._unfinished()
        seconds = SAY_QUIT_S if unfinished is None else SAY_WHY_S
        self._quits_until = now + seconds
        why = "" if unfinished is None else f"{unfinished}; "
        severity = "information" if unfinished is None else "warning"
        self.say(f"{why}q quits; ctrl+c once more quits too", severity, seconds=seconds)

    def _loop_time(self) -> float:
        from time import monotonic

        return monotonic()

    # -- observing ----------------------------------------------------------------------------------------------------

    def on_fleet_observed(self, message: FleetObserved) -> None:
        """Keep the newest snapshot and show it where it is on the screen."""
        model = self.models.get(message.environment)
        if model is None:
            return
        model.observe(message.fleet)
        self.repaint()

    def _tick(self) -> None:
        for name, model in self.models.items():
            feed = self.settings.feeds.get(name)
            if feed is not None:
                model.now = feed.now() or model.now
        self._watch()
        self.front.tick()
        self.repaint()

    @property
    def front(self) -> BoardScreen:
        """The screen that is shown: help and the theme picker lie over the others."""
        return self._overlays[-1] if self._overlays else self._base

    @property
    def target(self) -> tuple[FleetModel, str] | None:
        """The environment and the service that are in front of the person: those of a dialog, else of the view."""
        return self.front.target() or self._base.target()

    @property
    def environment(self) -> str | None:
        """The environment that is shown, None on the wall."""
        return self._current[1]

    @property
    def writes(self) -> Writes:
        """What a person can order; loaded when it is first needed."""
        if self._writes is None:
            from brconsole.tui.writes import Writes

            self._writes = Writes(self)
        return self._writes

    def mode(self, model: FleetModel | None = None) -> Mode | ModeState:
        """Whether an environment may be written to now, or the strictest mode of all."""
        modes = None if model is None else self.settings.modes.get(model.environment.name)
        return self.settings.mode if modes is None else modes.state()

    def _watch(self) -> None:
        """Have the desk look at the service in front of the person."""
        from brconsole.operations.desk import Watching

        _, environment, _ = self._current
        desk = None if environment is None else self.settings.desks.get(environment)
        target = self._base.target()
        watching = None if target is None else Watching(target[1], rollout=self._current[0] == "release")
        migrations = self._current[0] == "migrations"
        if desk is not None and environment is not None and (environment, watching, migrations) != self._watched:
            self._watched = (environment, watching, migrations)
            desk.watch(watching)
            desk.watch_migrations(migrations)

    def _host(self) -> Host:
        return cast("Host", self.screen_stack[0])

    def repaint(self) -> None:
        """Show what changed on the screen in front."""
        if self.screen_stack and (board := self._host().board) is not None:
            board.repaint()

    def page(self, width: int, height: int) -> Sequence[Line]:
        """The lines of the screen in front."""
        return self.front.whole(width, height)

    def open(self, overlay: BoardScreen) -> None:
        """Show a screen over the present one."""
        self._overlays.append(overlay)
        self.repaint()

    def close(self) -> None:
        """Show the screen below again."""
        if self._overlays:
            self._overlays.pop()
        self.repaint()

    def simulated(self, model: FleetModel | None = None) -> bool:
        """Whether what is shown is a simulation."""
        return self.settings.simulated or (model is not None and model.fleet.simulated)

    @property
    def clock(self) -> datetime | None:
        """Service time, the newest that any environment knows."""
        return max((model.now for model in self.models.values() if model.now is not None), default=None)

    def _follow(self, view: tuple[str, str | None, str | None]) -> None:
        """Run the feeds that the view shows, and only those."""
        kind, environment, service = view
        feeds = self.settings.feeds
        wanted = {name for name in feeds if kind == "wall" or name == environment}
        for name in self._followed - wanted:
            feeds[name].stop()
        for name in wanted:
            feeds[name].start()
            feeds[name].watch(service if name == environment else None)
        self._followed = wanted
        for name, desk in self.settings.desks.items():
            desk.start() if name == environment else desk.stop()
        self._watch()

    # -- going about --------------------------------------------------------------------------------------------------

    def _screen_for(self, kind: str, environment: str | None, service: str | None) -> BoardScreen:
        if kind == "fleet" and environment is not None:
            from brconsole.tui.screens.fleet import FleetScreen

            return FleetScreen(self, self.models[environment], self.view_of(environment))
        if kind == "release" and environment is not None and service is not None:
            from brconsole.tui.screens.release import ReleaseScreen

            return ReleaseScreen(self, self.models[environment], service)
        if kind == "migrations" and environment is not None:
            from brconsole.tui.screens.migrations import MigrationsScreen

            return MigrationsScreen(self, self.models[environment])
        if kind == "service" and environment is not None and service is not None:
            from brconsole.tui.screens.service import ServiceScreen

            return ServiceScreen(self, self.models[environment], self.view_of(environment), service)
        if kind == "infra" and environment is not None and self.settings.infra is not None:
            from brconsole.tui.screens.infra import InfraScreen

            return InfraScreen(self, self.models[environment], self.settings.infra)
        from brconsole.tui.screens.wall import WallScreen

        return WallScreen(self, tuple(self.models.values()))

    def view_of(self, environment: str) -> FleetView:
        """How the person looks at a fleet."""
        from brconsole.tui.screens.fleet import FleetView

        return self._views.setdefault(environment, FleetView())

    def go(self, kind: str, environment: str | None = None, service: str | None = None) -> None:
        """Show another view."""
        wanted = (kind, environment, service)
        self._overlays.clear()
        if wanted != self._current:
            self._last, self._current = self._current, wanted
            self._base = self._screen_for(*wanted)
            self._follow(wanted)
            self._base.begin()
        self.repaint()

    def open_service(self, model: FleetModel, service: str) -> None:
        """Show the page of a service."""
        self.go("service", model.environment.name, service)

    def service_changed(self, model: FleetModel, service: str) -> None:
        """The page of a service went on to another one."""
        self._current = ("service", model.environment.name, service)
        self._follow(self._current)

    # -- actions ------------------------------------------------------------------------------------------------------

    def act(self, action_id: str, key: str = "", argument: str = "") -> None:
        """Do what the registry calls `action_id`: key, footer, `:` and palette all come here."""
        name = f"do_{action_id.replace('.', '_')}"
        if BY_ID[action_id].effect is Effect.WRITE and not self.writes.permits(BY_ID[action_id], key):
            return
        if handler := getattr(self, name, None) or getattr(self.writes, name, None):
            handler(key, argument)
        elif own := getattr(self.front, name, None) or getattr(self._base, name, None):
            own(key)
        else:
            self.say(f"{action_id} does not work here")

    def working(self) -> tuple[Action, ...]:
        """The actions of the screen, also while help lies over it."""
        from brconsole.tui.screens.help import HelpScreen

        below = [overlay for overlay in self._overlays if not isinstance(overlay, HelpScreen)]
        return (below[-1] if below else self._base).actions()

    def do_app_quit(self, _key: str, _argument: str) -> None:
        """`app.quit`: at once, but for a write that is under way or a wheel that is held here."""
        unfinished = self._unfinished()
        now = self._loop_time()
        if unfinished is None or now < self._quits_until:
            self.exit()
            return
        self._quits_until = now + SAY_WHY_S
        self.say(f"{unfinished}; q once more quits all the same", "warning", seconds=SAY_WHY_S)

    def _unfinished(self) -> str | None:
        """What this console would leave behind, None where nothing."""
        return None if self._writes is None else self._writes.under_way() or self._writes.wheels()

    def do_app_back(self, _key: str, _argument: str) -> None:
        """`app.back`: innermost first, and never out of the console."""
        if self.front.back():
            return
        if self._overlays:
            self.close()
            return
        kind, environment, service = self._current
        if kind == "release":
            self.go("service", environment, service)
        elif kind in ("service", "migrations", "infra"):
            self.go("fleet", environment)
        elif kind == "fleet" and len(self.models) > 1:
            self.go("wall")

    def do_app_last(self, _key: str, _argument: str) -> None:
        """`app.last`"""
        if self._last is None:
            self.say("there is no view before this one")
        else:
            self.go(*self._last)

    def do_wall_show(self, _key: str, _argument: str) -> None:
        """`wall.show`"""
        self.go("wall")

    def do_env_open(self, key: str, argument: str) -> None:
        """`env.open`: by digit or by name."""
        names = list(self.models)
        if argument:
            self.go("fleet", argument)
        elif key.isdigit() and 1 <= int(key) <= len(names):
            self.go("fleet", names[int(key) - 1])
        else:
            self.say(
                f"there are {len(names)} environments: " + ", ".join(f"{n} {name}" for n, name in enumerate(names, 1))
            )

    def do_app_refresh(self, _key: str, _argument: str) -> None:
        """`app.refresh`"""
        for name in self._followed:
            self.settings.feeds[name].refresh()
        self._base.refresh()
        self.say("asking every source again, within the quota", seconds=2)

    def do_app_help(self, _key: str, _argument: str) -> None:
        """`app.help`"""
        from brconsole.tui.screens.help import HelpScreen

        if not isinstance(self.front, HelpScreen):
            self.open(HelpScreen(self, self.working()))

    def do_app_palette(self, _key: str, _argument: str) -> None:
        """`app.palette`"""
        self.action_command_palette()

    def do_app_command(self, _key: str, _argument: str) -> None:
        """`app.command`"""
        self.ask_command("")

    def ask_command(self, text: str) -> None:
        """The prompt of `:`, with what is already known of the line."""
        from brconsole.tui.widgets.prompt import Prompt

        host = self._host()
        host.ask(Prompt(":", text, self._ran, self.completions, done=host.answered))

    def do_mode_write(self, _key: str, argument: str) -> None:
        """`mode.write`"""
        self.writes.open_mode(argument)

    def do_mode_read_only(self, _key: str, _argument: str) -> None:
        """`mode.read_only`"""
        self.writes.close_mode()

    def do_service_release(self, _key: str, _argument: str) -> None:
        """`service.release`"""
        self.do_release_open("", "")

    def do_release_open(self, _key: str, argument: str) -> None:
        """`release.open`: of the service named, else of the chosen one."""
        target = self._base.target()
        environment = self._current[1]
        if argument and environment is not None:
            self.go("release", environment, argument)
        elif target is not None:
            self.go("release", target[0].environment.name, target[1])
        else:
            self.say("choose a service of an environment first", "warning")

    def do_migration_open(self, _key: str, _argument: str) -> None:
        """`migration.open`"""
        environment = self._current[1]
        if environment is None or environment not in self.settings.desks:
            self.say("open an environment first: migrations are shown by environment", "warning")
        else:
            self.go("migrations", environment)

    def do_infra_show(self, _key: str, _argument: str) -> None:
        """`infra.show`: of the environment in front, on the wall of the chosen one."""
        from brconsole.tui.screens.wall import WallScreen

        name = self._current[1]
        if name is None and isinstance(self._base, WallScreen):
            name = self._base.cursor.key
        if self.settings.infra is None:
            self.say("this console was opened without Terraform; `brconsole infra drift` looks at it", "warning")
        elif name is None:
            self.say("open an environment first: Terraform is looked at by environment", "warning")
        else:
            self.go("infra", name)

    def do_journal_show(self, _key: str, _argument: str) -> None:
        """`journal.show`"""
        from brconsole.tui.screens.journal import JournalScreen

        environment = self._current[1]
        desk = None if environment is None else self.settings.desks.get(environment)
        if environment is None or desk is None:
            self.say("open an environment first: the journal is shown by environment", "warning")
        elif not isinstance(self.front, JournalScreen):
            target = self._base.target() if self._current[0] != "fleet" else None
            screen = JournalScreen(self, self.models[environment], desk, None if target is None else target[1])
            self.open(screen)
            screen.read()

    def do_list_filter(self, _key: str, argument: str) -> None:
        """`list.filter`: with words from the command line, else asked for."""
        from brconsole.tui.screens.fleet import FleetScreen

        screen = self._base
        if not isinstance(screen, FleetScreen):
            self.say("filters work on the fleet")
        elif argument:
            screen.set_filter(argument)
        else:
            self.ask_filter(screen.view.filter.text)

    def do_fleet_sort(self, _key: str, argument: str) -> None:
        """`fleet.sort`: by the column named, else the next one."""
        from brconsole.tui.screens.fleet import FleetScreen

        screen = self._base
        if isinstance(screen, FleetScreen):
            screen.sort_by(argument) if argument else screen.sort_next()

    def do_fleet_open(self, _key: str, argument: str) -> None:
        """`fleet.open`: the service named, else the chosen one."""
        from brconsole.tui.screens.fleet import FleetScreen

        _, environment, _ = self._current
        screen = self._base
        if argument and environment is not None:
            self.open_service(self.models[environment], argument)
        elif isinstance(screen, FleetScreen):
            screen.open_chosen()

    def do_theme_pick(self, _key: str, argument: str) -> None:
        """`theme.pick`: by name, else from the list."""
        from brconsole.tui.screens.theme_picker import ThemePicker

        if argument:
            self.use_theme(argument)
        elif not isinstance(self.front, ThemePicker):
            self.open(ThemePicker(self))

    # -- helpers ------------------------------------------------------------------------------------------------------

    def names(self) -> dict[str, Sequence[str]]:
        """What commands can be told, by kind."""
        from brconsole.tui.panels.services import SORTS

        _, environment, _ = self._current
        services = [row.key for row in self.models[environment].rows] if environment else []
        return {
            "environment": list(self.models),
            "service": services,
            "theme": sorted(self.theme_set.themes),
            "sort": SORTS,
        }

    def completions(self, line: str) -> list[str]:
        """Whole command lines that begin like this one."""
        from brconsole.tui.commands import complete

        return complete(line, self.working(), self.names())

    def _ran(self, line: str) -> None:
        from brconsole.tui.commands import Command, understand

        understood = understand(line, self.working(), self.names())
        if isinstance(understood, Command):
            self.act(understood.action_id, "", understood.argument)
        elif understood is not None:
            self.say(understood.message, "warning")

    def ask_filter(self, text: str) -> None:
        """The prompt of `/`; the rows follow while it is typed."""
        from brconsole.tui.screens.fleet import FleetScreen
        from brconsole.tui.widgets.prompt import Prompt

        screen = self._base
        if isinstance(screen, FleetScreen):
            host = self._host()
            host.ask(Prompt("/", text, screen.set_filter, None, screen.set_filter, done=host.answered))

    def use_theme(self, name: str) -> None:
        """Show everything in another theme; without colour there is only one."""
        if self.no_color:
            self.say(f"NO_COLOR is set: the theme stays {WITHOUT_COLOUR}", "warning")
            return
        theme, problem = self.theme_set.choose(name)
        if problem:
            self.say(problem, "warning")
        self._use(theme)

    def _use(self, theme: ThemeFile) -> None:
        self.palette = Palette(theme)
        self.theme = theme.name
        self.repaint()

    def copy_text(self, text: str) -> None:
        """Copy by the terminal (OSC 52), which also reaches through ssh; some terminals refuse without a word."""
        self.copy_to_clipboard(text)
        self.say(f"copied: {text}")

    def say(self, text: str, severity: str = "information", *, seconds: float = 5) -> None:
        """A short message; what it quotes is text, never markup."""
        message = shown(text, 500)
        self.notify(
            to_ascii(message) if self.ascii_only else message,
            severity="warning" if severity == "warning" else "information",
            timeout=seconds,
            markup=False,
        )
