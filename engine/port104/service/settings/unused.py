"""Why keys of Clara's are accepted that do nothing."""

NO_POLLING = "results are told of, and not polled for"
NO_AGENT = "a destination says itself how it is sent to"
NO_TRACE = "what is sent is logged in its outcomes"
ONE_PROCESSOR = "port104 makes its jobs in one way"
NO_PLATFORM = "the Clara platform is gone"
