"""The handlers of the admin API, one file for each subject."""
