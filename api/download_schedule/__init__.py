"""The DownloadSchedule resource: types, defaults, cron, names, status rules. No I/O."""
