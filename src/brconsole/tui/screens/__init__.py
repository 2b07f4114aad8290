"""The screens, imported when they are first shown."""
