"""What a peer must do to an order to have done the same work as producer-api: the same checks, ids,
bytes and headers. Talks to nobody but the registry."""
