"""``python -m brconsole``: the same as the ``brconsole`` command."""

from brconsole.cli import main

if __name__ == "__main__":
    main()
