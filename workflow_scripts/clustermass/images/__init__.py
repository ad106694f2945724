"""Images as networks see them: stored lazily, scaled, reddening removed; and pictures for people."""
