"""What a process is made of: services and their supervisor, logs, native threads, fair turns, notes to systemd."""
