"""Who may use the admin API: users, passwords, tokens, signing in and out."""
