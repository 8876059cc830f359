"""gunicorn reads this in the directory that it is started in, which is its version's tree."""
wsgi_app = "app:serve"
workers = 2
# A version that cannot be imported fails before it has workers, while the old one serves on.
preload_app = True
graceful_timeout = 30
# Errors go where the first master's went: to the journal, or to host.sh's log.
enable_stdio_inheritance = True
