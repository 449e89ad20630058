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

enum { LOOK_MS = 1000, KEY_ESC = 27, GAP = 2, HEAD_LINES = 2, FILTER_MAX = 40 };

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

static void draw(struct top *t)
{
	const struct top_view *view = &top_views[t->view];
	int lines = LINES - HEAD_LINES - 1;
	char word[16];

	erase();
	if (t->help) {
		draw_help();
		refresh();
		return;
	}
	t->shown = top_table_order(&t->table, t->sort[t->view].column, t->sort[t->view].reverse, t->filter);
	if (t->cursor >= t->shown)
		t->cursor = t->shown ? t->shown - 1 : 0;
	if (t->cursor < t->first)
		t->first = t->cursor;
	if (lines > 0 && t->cursor >= t->first + (size_t)lines)
		t->first = t->cursor - (size_t)lines + 1;
	mvprintw(0, 0, "%s", t->lab);
	for (unsigned v = 0; v < TOP_VIEWS; v++) {
		attrset(v == t->view ? A_REVERSE : A_NORMAL);
		snprintf(word, sizeof(word), "%u %s", v + 1, top_views[v].name);
		printw("  %s", word);
	}
	attrset(A_NORMAL);
	printw("  %zu of %zu, by %s%s%s", t->shown, t->table.n, view->columns[t->sort[t->view].column].head,
	       t->sort[t->view].reverse ? " reversed" : "", t->paused ? "  PAUSED" : "");
	draw_rows(t, lines);
	if (t->typing || t->filter[0])
		mvprintw(LINES - 1, 0, "/%s%s", t->filter, t->typing ? "_" : "");
	else
		mvprintw(LINES - 1, 0, "q quit  h help  s sort  / filter  space pause");
	refresh();
}

/* Widths of what is in sight; the last column takes what is left. */
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

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		mvprintw((int)i, 0, "%s", lines[i]);
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
	long page = LINES > HEAD_LINES + 2 ? LINES - HEAD_LINES - 1 : 1;

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
