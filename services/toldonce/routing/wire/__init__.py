"""Between protobuf and the words of routing; the only place that knows both."""
