"""What the use cases need from the world, as protocols. Storage is synchronous, providers asynchronous."""
