/* v_top.c: vpc top: the busiest gates, rules and flows of a lab, full screen, looked at anew every second. */
#include <curses.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "cli/client.h"
#include "cli/top_table.h"
#include "cli/verbs.h"
#include "util/mem.h"
#include "util/str.h"

enum { LOOK_MS = 1000, KEY_ESC = 27, GAP = 2, HEAD_LINES = 2, FILTER_MAX = 40, WRAP_INDENT = 4 };

struct top {
	const char *lab;
	enum top_view_id view;
	struct top_table table;
	struct { /* of each view */
		unsigned column;
		bool reverse;
	} sort[TOP_VIEWS];
	size_t shown; /* rows that the filter lets through */
	size_t cursor, first;
	char filter[FILTER_MAX];
	bool on_screen, paused, help, typing; /* typing: a filter */
	int failed;                           /* exit code of the last look */
};

static double now_s(void);
static bool look(struct top *t);
static void draw(struct top *t);
static void draw_rows(const struct top *t, int lines);
static void draw_help(void);
static bool key(struct top *t, int k);
static void key_filter(struct top *t, int k);

int top_run(const struct args *a)
{
	struct top t = { 0 };
	char lab[LAB_SIZE];
	double next = 0;
	SCREEN *screen;
	int r = lab_of_word(a, lab);

	if (r)
		return r;
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return fail(EXIT_USAGE,
			    "top: it needs a terminal; vpc rules, vpc ct and vpc status print the same once");
	t.lab = lab;
	for (unsigned v = 0; v < TOP_VIEWS; v++)
		t.sort[v].column = top_views[v].sort;
	if (!look(&t))
		return t.failed;
	setlocale(LC_ALL, "");
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return fail(EXIT_CANNOT, "top: no terminal of the kind TERM says is known");
	t.on_screen = true;
	set_escdelay(25);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	for (bool go_on = true; go_on;) {
		int k;

		if (now_s() >= next && !t.paused && !t.help) {
			if (!look(&t))
				break;
			next = now_s() + LOOK_MS / 1000.0;
		}
		draw(&t);
		timeout(t.paused || t.help ? -1 : (int)((next - now_s()) * 1000) + 1);
		k = getch();
		if (k != ERR)
			go_on = key(&t, k);
	}
	endwin();
	delscreen(screen);
	t.on_screen = false;
	if (t.failed) /* why, where it can be read */
		look(&t);
	top_table_done(&t.table);
	return t.failed;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* False: the lab or vpcd does not answer any more. */
static bool look(struct top *t)
{
	const struct top_view *view = &top_views[t->view];
	_cleanup_free_ char *path = xasprintf("/v1/labs/%s/%s", t->lab, view->path);
	_cleanup_reply_ struct reply reply = { 0 };
	struct request q = { .path = path, .quiet = t->on_screen, .bad_code = EXIT_USAGE };
	struct top_table fresh;

	t->failed = client_call(&q, &reply);
	if (t->failed)
		return false;
	top_table_take(&fresh, view, reply.json, now_s(), t->table.view ? &t->table : NULL);
	if (t->table.view)
		top_table_done(&t->table);
	t->table = fresh;
	return true;
}

/* ---- the screen ---- */

/* What of text fits behind x. */
static void put(int y, int x, const char *text)
{
	if (x < COLS)
		mvaddnstr(y, x, text, COLS - x);
}

/* The same, only if all of it fits; where it ends. */
static int put_whole(int y, int x, const char *text)
{
	int n = (int)strlen(text);

	if (x + n > COLS)
		return x;
	mvaddstr(y, x, text);
	return x + n;
}

static bool has_foot(const struct top *t)
{
	return t->typing || LINES > HEAD_LINES + 1;
}

static int rows_in_sight(const struct top *t)
{
	return LINES - HEAD_LINES - has_foot(t);
}

/* Where the screen is too narrow for all of it: all views without the lab, else the one that is shown. */
static void draw_title(const struct top *t)
{
	const struct top_column *by = &top_views[t->view].columns[t->sort[t->view].column];
	int views = -GAP, x = 0;
	char word[64];

	for (unsigned v = 0; v < TOP_VIEWS; v++)
		views += GAP + 2 + (int)strlen(top_views[v].name);
	if ((int)strlen(t->lab) + GAP + views <= COLS)
		x = put_whole(0, 0, t->lab) + GAP;
	for (unsigned v = 0; v < TOP_VIEWS; v++) {
		if (views > COLS && v != t->view)
			continue;
		snprintf(word, sizeof(word), "%u %s", v + 1, top_views[v].name);
		attrset(v == t->view ? A_REVERSE : A_NORMAL);
		put(0, x, word);
		x += (int)strlen(word) + GAP;
	}
	attrset(A_NORMAL);
	snprintf(word, sizeof(word), "%zu of %zu", t->shown, t->table.n);
	x = put_whole(0, x, word);
	snprintf(word, sizeof(word), ", by %s%s", by->head, t->sort[t->view].reverse ? " reversed" : "");
	put_whole(0, x, word);
}

static void draw_foot(const struct top *t)
{
	int x = t->paused ? put_whole(LINES - 1, 0, "PAUSED  ") : 0;
	char word[FILTER_MAX + 4];

	if (t->typing || t->filter[0]) {
		snprintf(word, sizeof(word), "/%s%s", t->filter, t->typing ? "_" : "");
		put(LINES - 1, x, word);
	} else {
		put(LINES - 1, x, "q quit  h help  s sort  / filter  space pause");
	}
}

static void draw(struct top *t)
{
	int lines;

	erase();
	if (t->help) {
		draw_help();
		refresh();
		return;
	}
	lines = rows_in_sight(t);
	t->shown = top_table_order(&t->table, t->sort[t->view].column, t->sort[t->view].reverse, t->filter);
	if (t->cursor >= t->shown)
		t->cursor = t->shown ? t->shown - 1 : 0;
	if (t->cursor < t->first)
		t->first = t->cursor;
	if (lines > 0 && t->cursor >= t->first + (size_t)lines)
		t->first = t->cursor - (size_t)lines + 1;
	draw_rows(t, lines);
	if (LINES > 1 || !t->typing)
		draw_title(t);
	if (has_foot(t))
		draw_foot(t);
	refresh();
}

/* Widths of what is in sight; of the last column what is left, but half a number would be another one. */
static void draw_rows(const struct top *t, int lines)
{
	const struct top_view *view = &top_views[t->view];
	int width[TOP_COLUMNS_MAX], x = 0;

	for (unsigned c = 0; c < view->n_columns; c++) {
		width[c] = (int)strlen(view->columns[c].head);
		for (size_t i = t->first; i < t->shown && (int)(i - t->first) < lines; i++) {
			int n = (int)strlen(t->table.rows[t->table.order[i]].cell[c]);

			width[c] = n > width[c] ? n : width[c];
		}
	}
	for (unsigned c = 0; c < view->n_columns && x < COLS; x += width[c++] + GAP) {
		int left = COLS - x; /* more would go on in the next line */
		int pad = width[c] < left ? width[c] : left;

		if (view->columns[c].number && pad < width[c])
			break;
		pad = view->columns[c].number ? pad : -pad;
		attrset(c == t->sort[t->view].column ? A_BOLD | A_UNDERLINE : A_BOLD);
		mvprintw(HEAD_LINES - 1, x, "%*.*s", pad, left, view->columns[c].head);
		for (size_t i = t->first; i < t->shown && (int)(i - t->first) < lines; i++) {
			const char *cell = t->table.rows[t->table.order[i]].cell[c];

			attrset(i == t->cursor ? A_REVERSE : A_NORMAL);
			mvprintw(HEAD_LINES + (int)(i - t->first), x, "%*.*s", pad, left, *cell ? cell : "-");
		}
	}
	attrset(A_NORMAL);
}

/* Goes on in the next line, a little to the right, where there is a blank to break at; the line behind it. */
static int put_wrapped(int y, const char *text)
{
	int x = 0;

	do {
		size_t room = COLS > x ? (size_t)(COLS - x) : 1, n = strlen(text);

		if (n > room)
			for (n = room; n > 0 && text[n] != ' '; n--)
				;
		n = n ? n : strlen(text) < room ? strlen(text) : room;
		mvaddnstr(y++, x, text, (int)n);
		text += n + strspn(text + n, " ");
		x = COLS > 2 * WRAP_INDENT ? WRAP_INDENT : 0;
	} while (*text);
	return y;
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"vpc top: what is busy in a lab, looked at every second",
		"",
		"  1 2 3, Tab      gates that deny, rules, flows",
		"  up down, k j    a line up, down; PgUp PgDn, b f: a page; Home End, g G: the first, the last",
		"  s S             sort by the next column, the one before; r: the other way round",
		"  /               show only lines with a text; Enter keeps it, Esc forgets it",
		"  space           pause, go on",
		"  q               quit",
		"",
		"Rates are packets a second since the last look. Counters are exact.",
		"Press any key.",
	};

	int y = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		y = put_wrapped(y, lines[i]);
}

/* ---- keys, as in top and less ---- */

static void view_set(struct top *t, unsigned view)
{
	if (view == t->view)
		return;
	t->view = (enum top_view_id)view;
	t->cursor = t->first = 0;
	t->filter[0] = '\0';
	look(t);
}

static void move_by(struct top *t, long n)
{
	long at = (long)t->cursor + n, last = t->shown ? (long)t->shown - 1 : 0;

	t->cursor = (size_t)(at < 0 ? 0 : at > last ? last : at);
}

static bool key(struct top *t, int k)
{
	unsigned n = top_views[t->view].n_columns, *column = &t->sort[t->view].column;
	long page = rows_in_sight(t) > 1 ? rows_in_sight(t) : 1;

	if (t->help) {
		t->help = false;
		return true;
	}
	if (t->typing) {
		key_filter(t, k);
		return true;
	}
	switch (k) {
	case 'q':
	case 'Q': return false;
	case 'h':
	case '?': t->help = true; break;
	case ' ': t->paused = !t->paused; break;
	case '/':
		t->typing = true;
		t->filter[0] = '\0';
		break;
	case KEY_ESC: t->filter[0] = '\0'; break;
	case 's': *column = (*column + 1) % n; break;
	case 'S': *column = (*column + n - 1) % n; break;
	case 'r': t->sort[t->view].reverse = !t->sort[t->view].reverse; break;
	case '\t': view_set(t, (t->view + 1) % TOP_VIEWS); break;
	case '1':
	case '2':
	case '3': view_set(t, (unsigned)(k - '1')); break;
	case 'j':
	case KEY_DOWN: move_by(t, 1); break;
	case 'k':
	case KEY_UP: move_by(t, -1); break;
	case 'f':
	case KEY_NPAGE: move_by(t, page); break;
	case 'b':
	case KEY_PPAGE: move_by(t, -page); break;
	case 'g':
	case KEY_HOME: t->cursor = 0; break;
	case 'G':
	case KEY_END: move_by(t, (long)t->shown); break;
	case 'L' & 0x1f: clearok(stdscr, TRUE); break;
	default: break;
	}
	return !t->failed;
}

static void key_filter(struct top *t, int k)
{
	size_t n = strlen(t->filter);

	if (k == '\n' || k == KEY_ENTER) {
		t->typing = false;
	} else if (k == KEY_ESC) {
		t->typing = false;
		t->filter[0] = '\0';
	} else if ((k == KEY_BACKSPACE || k == 127 || k == '\b') && n) {
		t->filter[n - 1] = '\0';
	} else if (k >= ' ' && k < 127 && n + 1 < sizeof(t->filter)) {
		t->filter[n] = (char)k;
		t->filter[n + 1] = '\0';
	}
}
