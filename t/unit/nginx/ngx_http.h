/*
 * As much of nginx as the tests of response_header.cpp and thread_jobs.hpp need: of 1.23 and later, where a header
 * has a link to the next one of its name. The functions are the tests'.
 */

#ifndef NGX_HTTP_H_INCLUDED_
#define NGX_HTTP_H_INCLUDED_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NGX_HTTP_VERSION_10            1000
#define NGX_HTTP_SWITCHING_PROTOCOLS   101

#define NGX_OK                         0
#define NGX_ERROR                     -1
#define NGX_LOG_WARN                   5
#define NGX_ALIGNMENT                  sizeof(unsigned long)

typedef intptr_t    ngx_int_t;
typedef uintptr_t   ngx_uint_t;
typedef ngx_uint_t  ngx_msec_t;

typedef struct {
    size_t   len;
    u_char  *data;
} ngx_str_t;

typedef struct ngx_pool_s  ngx_pool_t;

typedef struct ngx_pool_cleanup_s {
    void  (*handler)(void *data);
    void   *data;
    struct ngx_pool_cleanup_s  *next;
} ngx_pool_cleanup_t;

struct ngx_pool_s {
    ngx_pool_cleanup_t  *cleanup;
};

typedef struct ngx_module_s  ngx_module_t;

typedef struct ngx_table_elt_s  ngx_table_elt_t;

struct ngx_table_elt_s {
    ngx_uint_t        hash;
    ngx_str_t         key;
    ngx_str_t         value;
    u_char           *lowcase_key;
    ngx_table_elt_t  *next;
};

typedef struct ngx_list_part_s  ngx_list_part_t;

struct ngx_list_part_s {
    void             *elts;
    ngx_uint_t        nelts;
    ngx_list_part_t  *next;
};

typedef struct {
    ngx_list_part_t  part;
} ngx_list_t;

typedef struct {
    ngx_list_t  headers;
} ngx_http_headers_in_t;

typedef struct {
    ngx_list_t        headers;
    ngx_uint_t        status;
    ngx_str_t         status_line;
    ngx_table_elt_t  *etag;
    size_t            content_type_len;
    ngx_str_t         content_type;
    off_t             content_length_n;
} ngx_http_headers_out_t;

typedef struct {
    ngx_pool_t              *pool;
    ngx_uint_t               http_version;
    ngx_http_headers_in_t    headers_in;
    ngx_http_headers_out_t   headers_out;
    unsigned                 disable_not_modified:1;
} ngx_http_request_t;

typedef struct ngx_log_s  ngx_log_t;

typedef struct ngx_event_s  ngx_event_t;

struct ngx_event_s {
    void       *data;
    void      (*handler)(ngx_event_t *ev);
    ngx_log_t  *log;
};

typedef struct ngx_thread_pool_s  ngx_thread_pool_t;

typedef struct ngx_thread_task_s  ngx_thread_task_t;

struct ngx_thread_task_s {
    ngx_thread_task_t  *next;
    ngx_uint_t          id;
    void               *ctx;
    void              (*handler)(void *data, ngx_log_t *log);
    ngx_event_t         event;
};

extern int  ngx_terminate;

ngx_int_t ngx_thread_task_post(ngx_thread_pool_t *tp, ngx_thread_task_t *task);
void ngx_msleep(ngx_msec_t ms);
void ngx_log_error(ngx_uint_t level, ngx_log_t *log, int err, const char *fmt, ...);

void *ngx_list_push(ngx_list_t *list);
u_char *ngx_pstrdup(ngx_pool_t *pool, ngx_str_t *src);
ngx_int_t ngx_strncasecmp(u_char *s1, u_char *s2, size_t n);
ngx_pool_cleanup_t *ngx_pool_cleanup_add(ngx_pool_t *p, size_t size);

#endif /* NGX_HTTP_H_INCLUDED_ */
