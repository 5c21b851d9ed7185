"""Processes that answer queries beside the main process: how they are started, fed, watched and replaced."""
