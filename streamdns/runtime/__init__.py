"""The parts of a running process: services and their supervisor, logs, native threads, fair scheduling, sd_notify."""
