"""The screens of the console, each a pane between the bars of the application."""
