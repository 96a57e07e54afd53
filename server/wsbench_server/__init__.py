"""The echo server of wsbench: the article's workload, and the server image. It imports neither bench nor driver."""
