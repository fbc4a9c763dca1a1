"""The controller: turns DownloadSchedules into CronJobs and records every run."""
