"""From files to padded batches: readers, codecs, the cache and the plan of batches."""
