#include <roomcast/base/rfc3339.h>

#include <stdbool.h>

#define MS_PER_DAY 86400000
#define MS_PER_MIN 60000

/* Exactly `digits` of them at the beginning of `text`, which loses them. */
static bool take_number(struct slice *text, size_t digits, unsigned max, unsigned *ret_number)
{
    struct slice number = {text->data, digits};
    if (text->len < digits || !slice_parse_number(number, max, ret_number))
        return false;
    text->data += digits;
    text->len -= digits;
    return true;
}

static bool take_either(struct slice *text, char one, char other)
{
    if (text->len == 0 || (text->data[0] != one && text->data[0] != other))
        return false;
    text->data++;
    text->len--;
    return true;
}

static bool take_char(struct slice *text, char c)
{
    return take_either(text, c, c);
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap);
}

/* Since 1970-01-01, in the Gregorian calendar: years that begin in March end with the day that is not always
 * there. */
static int64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    int64_t y = month > 2 ? year : (int64_t)year - 1;
    int64_t days_before_month = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5;
    return 365 * y + y / 4 - y / 100 + y / 400 + days_before_month + day - 1 - 719468;
}

static bool take_date(struct slice *text, int64_t *ret_days)
{
    unsigned year, month, day;
    if (!take_number(text, 4, 9999, &year) || !take_char(text, '-') || !take_number(text, 2, 12, &month) ||
        !take_char(text, '-') || !take_number(text, 2, 31, &day))
        return false;
    if (month == 0 || day == 0 || day > days_of_month(year, month))
        return false;
    *ret_days = days_since_1970(year, month, day);
    return true;
}

static bool take_time(struct slice *text, unsigned *ret_ms)
{
    unsigned hour, minute, second, ms = 0;
    if (!take_number(text, 2, 23, &hour) || !take_char(text, ':') || !take_number(text, 2, 59, &minute) ||
        !take_char(text, ':') || !take_number(text, 2, 60, &second))
        return false;
    if (take_char(text, '.')) {
        unsigned digit, weight = 100;
        if (!take_number(text, 1, 9, &digit))
            return false;
        do {
            ms += digit * weight;
            weight /= 10;
        } while (take_number(text, 1, 9, &digit));
    }
    *ret_ms = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
    return true;
}

static bool take_offset(struct slice *text, int *ret_minutes)
{
    unsigned hours, minutes;
    *ret_minutes = 0;
    if (take_either(text, 'Z', 'z'))
        return true;
    bool is_west = text->len > 0 && text->data[0] == '-';
    if (!take_either(text, '+', '-') || !take_number(text, 2, 23, &hours) || !take_char(text, ':') ||
        !take_number(text, 2, 59, &minutes))
        return false;
    *ret_minutes = (int)(hours * 60 + minutes) * (is_west ? -1 : 1);
    return true;
}

enum err rfc3339_read(struct slice text, uint64_t *ret_ms)
{
    int64_t days;
    unsigned ms;
    int offset_minutes;
    if (!take_date(&text, &days) || !take_either(&text, 'T', 't') || !take_time(&text, &ms) ||
        !take_offset(&text, &offset_minutes) || text.len > 0)
        return ERR_SYNTAX;
    int64_t unix_ms = days * MS_PER_DAY + ms - (int64_t)offset_minutes * MS_PER_MIN;
    if (unix_ms < 0)
        return ERR_RANGE;
    *ret_ms = (uint64_t)unix_ms;
    return ERR_OK;
}
