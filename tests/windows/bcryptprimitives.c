/* The one function of bcryptprimitives.dll that Rust's standard library calls since 1.78, for uv.exe
   and cryptography. Wine 8 lacks the DLL. */
#include <stddef.h>

__declspec(dllimport) unsigned char SystemFunction036(void *buffer, unsigned long size);

__declspec(dllexport) int ProcessPrng(unsigned char *buffer, size_t size) {
  return SystemFunction036(buffer, (unsigned long)size);
}
