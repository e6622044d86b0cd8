/* What browsers are served on the public listener beside WebSockets, and who takes compressed files on
 * either: the files of web/, as RFC 9110 has it.
 *
 * Thread: any. */
#ifndef ROOMCAST_NODE_WEB_FILE_H
#define ROOMCAST_NODE_WEB_FILE_H

#include <roomcast/io/ws_server.h>
#include <roomcast/web/asset.h>

/* The file at the path of a plain request. NULL: none. */
const struct web_asset *web_file_find(const struct ws_request *request);
/* By GET or HEAD, as it has to be. */
bool web_file_is_read(const struct ws_request *request);
/* Does it take gzip (section 12.5.3)? Empty: no. */
bool web_file_takes_gzip(struct slice accept_encoding);
/* Compressed when the peer takes that, and without the bytes when it has them. Counts. */
struct ws_file web_file_answer(const struct web_asset *asset, const struct ws_request *request);

#endif
