/* test.h: cmocka with the headers it wants first. Every unit test includes this and nothing of cmocka. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
