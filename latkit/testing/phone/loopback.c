/* Preloaded into adbd, which binds every address: keeps it on loopback, and off the sockets between virtual machines. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

typedef int (*bind_function)(int, const struct sockaddr *, socklen_t);

int bind(int file, const struct sockaddr *address, socklen_t length)
{
    bind_function real = (bind_function)dlsym(RTLD_NEXT, "bind");
    if (address->sa_family == AF_VSOCK) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    if (address->sa_family == AF_INET6) {
        /* the port is at the same place in both; a socket of this family also takes the mapped IPv4 address */
        struct sockaddr_in6 loopback = *(const struct sockaddr_in6 *)address;
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &loopback.sin6_addr);
        return real(file, (const struct sockaddr *)&loopback, sizeof loopback);
    }
    if (address->sa_family == AF_INET) {
        struct sockaddr_in loopback = *(const struct sockaddr_in *)address;
        loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return real(file, (const struct sockaddr *)&loopback, sizeof loopback);
    }
    return real(file, address, length);
}
