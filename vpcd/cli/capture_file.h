/* capture_file.h: packets out of a capture file, pcap or pcapng, whatever link they were taken from. */
#pragma once
#include "path/replay.h"
#include "util/err.h"

struct capture_file;
/* file "-": stdin. -EINVAL: no capture, or of a link whose packets cannot be found in it. */
int capture_file_open(const char *file, struct capture_file **ret, struct err *e);
void capture_file_close(struct capture_file **f);
/* 1: a packet, valid until the next call; 0: the end; -EIO: the file is broken from here on. */
int capture_file_next(struct capture_file *f, struct captured *ret, struct err *e);
