"""The toolkit's side of the screens: few widgets that paint lines."""
