module downloads.dev/bench/httpload

go 1.26.0
