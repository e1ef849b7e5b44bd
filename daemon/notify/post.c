#include "notify/post.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <string.h>

static size_t discard(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static void set_options(CURL *c, const struct order *o, struct curl_slist *headers, char *why)
{
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c, CURLOPT_URL, o->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "ebm-notify/" EBM_VERSION);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, o->body);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(o->body));
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)o->timeout_s * 1000);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, discard);
}

static enum ebm_status judge_failure(CURLcode code, const char *why, struct ebm_error *err)
{
    const char *text = why[0] != '\0' ? why : curl_easy_strerror(code);

    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return ebm_fail(err, EBM_ENOMEM, "%s", text);
    case CURLE_OPERATION_TIMEDOUT:
        return ebm_fail(err, EBM_ETIMEOUT, "%s", text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ebm_fail(err, EBM_EINVAL, "%s", text);
    default:
        return ebm_fail(err, EBM_EUNREACHABLE, "%s", text);
    }
}

static enum ebm_status judge_answer(long answer, struct ebm_error *err)
{
    bool passing = answer >= 500 || answer == 408 || answer == 425 || answer == 429;

    if (answer >= 200 && answer < 300)
        return EBM_OK;
    return ebm_fail(err, passing ? EBM_EUNREACHABLE : EBM_EINVAL, "the server answered %ld",
                    answer);
}

static enum ebm_status post(CURL *c, const struct order *o, struct curl_slist *headers,
                            struct ebm_error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    long answer = 0;

    set_options(c, o, headers, why);
    CURLcode code = curl_easy_perform(c);
    if (code != CURLE_OK)
        return judge_failure(code, why, err);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &answer);
    return judge_answer(answer, err);
}

enum ebm_status post_tell(const struct order *o, struct ebm_error *err)
{
    enum ebm_status st = EBM_ENOMEM;
    struct curl_slist *headers = NULL;
    CURL *c;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ebm_fail(err, EBM_EINTERNAL, "libcurl does not start");
    c = curl_easy_init();
    headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (c != NULL && headers != NULL)
        st = post(c, o, headers, err);
    else
        ebm_fail(err, EBM_ENOMEM, "out of memory for a request");
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    curl_global_cleanup();
    return st;
}
