#!/usr/bin/env -S MALLOC_MMAP_THRESHOLD_=4194304 MALLOC_TRIM_THRESHOLD_=16777216 node
// glibc would keep the memory of unloaded models; these two settings make it give large blocks back. Elsewhere they mean nothing.
import '../dist/cli.js';
