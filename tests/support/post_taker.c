/* post-taker PORT_FILE BODY_FILE ANSWER...: an HTTP server for tests, on a
 * free port of 127.0.0.1, which it writes into PORT_FILE. It gives the answers
 * (503, 200 ...) one after the other, the last of them from then on; 0 is
 * silence. A body that was answered with 2xx is appended to BODY_FILE, a line
 * each; so is "TYPE PATH" of its request. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 64 << 10, BACKLOG = 16 };

static int listen_anywhere(const char *port_file)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char fresh[4096];
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (s < 0 || bind(s, (struct sockaddr *)&at, size) != 0 || listen(s, BACKLOG) != 0 ||
        getsockname(s, (struct sockaddr *)&at, &size) != 0)
        return -1;
    snprintf(fresh, sizeof fresh, "%s.new", port_file);
    FILE *f = fopen(fresh, "w");
    if (f == NULL)
        return -1;
    fprintf(f, "%d\n", ntohs(at.sin_port));
    if (fclose(f) != 0 || rename(fresh, port_file) != 0)
        return -1;
    return s;
}

/* Where the body begins once all of it is there, or NULL. */
static const char *find_body(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = strcasestr(request, "\r\nContent-Length:");

    if (end == NULL || length == NULL || length > end)
        return NULL;
    size_t wanted = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    return strlen(end + 4) >= wanted ? end + 4 : NULL;
}

static const char *read_request(int c, char *request)
{
    size_t used = 0;

    request[0] = '\0';
    while (find_body(request) == NULL) {
        ssize_t n = read(c, request + used, REQUEST_MAX - 1 - used);
        if (n <= 0)
            return NULL;
        used += (size_t)n;
        request[used] = '\0';
    }
    return find_body(request);
}

static void keep(const char *file, const char *request, const char *body)
{
    const char *type = strcasestr(request, "\r\nContent-Type: ");
    FILE *f = fopen(file, "a");

    if (f == NULL)
        return;
    if (type != NULL)
        type += strlen("\r\nContent-Type: ");
    fprintf(f, "%s\n%.*s %.*s\n", body, type != NULL ? (int)strcspn(type, "\r") : 0,
            type != NULL ? type : "", (int)strcspn(request, "\r"), request);
    fclose(f);
}

static void answer(int c, int status)
{
    char text[128];
    int n =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %d As told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);

    if (write(c, text, (size_t)n) != n)
        perror("post-taker");
}

int main(int argc, char **argv)
{
    static char request[REQUEST_MAX];
    int s = argc >= 4 ? listen_anywhere(argv[1]) : -1;

    if (s < 0) {
        fputs("usage: post-taker PORT_FILE BODY_FILE ANSWER...\n", stderr);
        return 2;
    }
    for (int next = 3;; next += next + 1 < argc) {
        int status = atoi(argv[next]);
        int c = accept4(s, NULL, NULL, SOCK_CLOEXEC);
        const char *body = c >= 0 ? read_request(c, request) : NULL;
        if (body != NULL && status / 100 == 2)
            keep(argv[2], request, body);
        if (body != NULL && status != 0)
            answer(c, status);
        if (status != 0 && c >= 0)
            close(c); /* silence keeps it open */
    }
}
