/* verbs.c: the table of verbs: dispatch, help and completion are read from it. */
#include <string.h>
#include "cli/verbs.h"
#include "util/mem.h"
#include "util/str.h"

#define OPT(name) (1ull << OPTION_##name)
#define OUT_TABLE_JSON (1u << OUTPUT_TABLE | 1u << OUTPUT_JSON)
#define OUT_TAP (1u << OUTPUT_TAP | 1u << OUTPUT_JUNIT)
#define OUT_PICTURE (1u << OUTPUT_SVG | 1u << OUTPUT_HTML | 1u << OUTPUT_DOT | 1u << OUTPUT_MERMAID)
#define OUT_CSV (1u << OUTPUT_CSV)
#define OUT_TABLE_JSONL (1u << OUTPUT_TABLE | 1u << OUTPUT_JSONL)
#define OUT_HTML (1u << OUTPUT_HTML)
#define OUT_JSONL (1u << OUTPUT_JSONL)
enum { ANY = UINT8_MAX };

#define FLOW_TEXT \
	"SRC and DST are instances, interfaces, hosts or addresses. DST stands for its private address where SRC\n" \
	"is in the same VPC, else for its public one; DST@public or DST@ADDRESS forces one. SRC@ADDRESS sends from\n" \
	"that address. PROTO/PORT is tcp/443, udp/53, icmp (an echo), icmp/TYPE.CODE or a protocol number.\n"

const struct verb verbs[] = {
	{ .name = "validate",
	  .run = validate_run,
	  .usage = "FILE…",
	  .line = "check topology files: every mistake with file and line",
	  .text = "Exit 0: no error (there may be warnings). Exit 1: errors were found.\n\n"
		  "  vpc validate lab.ini\n",
	  .need = NEEDS_NOTHING,
	  .options = OPT(OUTPUT),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 1,
	  .words_max = ANY,
	  .word = WORD_FILE },
	{ .name = "lint",
	  .run = lint_run,
	  .usage = "FILE…",
	  .line = "what is valid and probably not meant: dead rules, lost replies, open doors",
	  .text = "Each finding has a code. Where you know better, say so in a comment and it is silent: behind the line,\n"
		  "above it, or anywhere in the section: ; lint: CODE because …\n"
		  "--fix removes rules that decide nothing, after walking all flows with and without them.\n"
		  "Exit 0: nothing to say. Exit 1: findings.\n\n"
		  "  vpc lint lab.ini\n",
	  .terms = { .title = "Codes", .get = lint_term },
	  .need = NEEDS_NOTHING,
	  .options = OPT(OUTPUT) | OPT(FIX),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 1,
	  .words_max = ANY,
	  .word = WORD_FILE },
	{ .name = "fmt",
	  .run = fmt_run,
	  .usage = "FILE | --write FILE… | --check FILE…",
	  .line = "print a topology file in its canonical form",
	  .text = "Comments, order and groups of lines stay. --check prints the names of files that are not in that form\n"
		  "and exits 1.\n\n"
		  "  vpc fmt lab.ini --write\n"
		  "  vpc fmt --check topologies/*.ini\n",
	  .need = NEEDS_NOTHING,
	  .options = OPT(WRITE) | OPT(CHECK),
	  .words_min = 1,
	  .words_max = ANY,
	  .word = WORD_FILE },
	{ .name = "trace",
	  .run = trace_run,
	  .usage = "FILE SRC DST PROTO/PORT | --live [LAB/]SRC DST PROTO/PORT",
	  .line = "walk a flow and its reply through every gate, without a packet",
	  .text = "Prints a line a gate, with the rule that decided and where it stands. Under a denial: the fewest lines of\n"
		  "the topology that would allow it, tried on a copy (--advice: in the other forms too).\n" FLOW_TEXT
		  "--state established: a packet of a connection that was allowed before; groups remember it, ACLs do not.\n"
		  "--live --state live: only where the lab's interfaces remember it now; give its port as SRC:PORT.\n"
		  "Exit 0: allowed. Exit 1: denied.\n\n"
		  "  vpc trace lab.ini laptop web-1 tcp/443\n"
		  "  vpc trace lab.ini web-1 mirror tcp/443 --from-port 20000 --minimal\n"
		  "  vpc trace --live three-tier/laptop db-1 tcp/5432\n"
		  "  echo 'laptop -> web-1 tcp/443' | vpc trace lab.ini --flows - -o json\n",
	  .need = NEEDS_NOTHING,
	  .options = OPT(OUTPUT) | OPT(LIVE) | OPT(LAB) | OPT(FROM_PORT) | OPT(SUMMARY) | OPT(MINIMAL) | OPT(FLOWS) |
		     OPT(ADVICE) | OPT(STATE),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 0,
	  .words_max = 4,
	  .word = WORD_FILE },
	{ .name = "matrix",
	  .run = matrix_run,
	  .usage = "FILE [PROTO/PORT…]",
	  .line = "who reaches whom: all pairs of instances, their further interfaces, and hosts",
	  .text = "Without PROTO/PORT: all that some instance or host listens on. Rows send, columns receive; a cell is\n"
		  "\"allow\" or the gate that denies (return: means the reply). Where there are very many, those that no rule\n"
		  "tells apart share a row. -o html is one page of all of them, whose cells lead to the rules.\n\n"
		  "  vpc matrix lab.ini tcp/443 tcp/22\n"
		  "  vpc matrix lab.ini -o html > lab.html\n",
	  .need = NEEDS_NOTHING,
	  .options = OPT(OUTPUT) | OPT(FROM_PORT),
	  .outputs = OUT_TABLE_JSON | OUT_CSV | OUT_HTML,
	  .words_min = 1,
	  .words_max = ANY,
	  .word = WORD_FILE },
	{ .name = "graph",
	  .run = graph_run,
	  .usage = "FILE [--flow SRC DST PROTO/PORT]",
	  .line = "draw a topology: VPCs, zones, subnets, instances, gateways, routes",
	  .text = "Public subnets stand on top, isolated ones at the bottom; SVG unless -o says otherwise. -o html is a page\n"
		  "of its own; dot is for Graphviz, mermaid for Markdown.\n\n"
		  "  vpc graph lab.ini > lab.svg\n"
		  "  vpc graph lab.ini --flow laptop db-1 tcp/5432 -o html > lab.html\n"
		  "  vpc graph lab.ini -o dot | dot -Tpdf > lab.pdf\n",
	  .need = NEEDS_NOTHING,
	  .options = OPT(OUTPUT) | OPT(FLOW) | OPT(FROM_PORT),
	  .outputs = OUT_PICTURE,
	  .words_min = 1,
	  .words_max = 4,
	  .word = WORD_FILE },
	{ .name = "test",
	  .run = test_run,
	  .usage = "FILE… | --live [LAB]",
	  .line = "do the [expect] lines hold?",
	  .text = "With FILE: by the static walk, without root. With --live: by real packets in the running lab; each\n"
		  "answer is also held against the static walk.\n"
		  "Exit 0: all hold. Exit 1: one fails, or packets and walk differ.\n\n"
		  "  vpc test lab.ini --coverage\n"
		  "  vpc test topologies/*.ini -o junit > report.xml\n"
		  "  vpc test --live three-tier\n",
	  .need = NEEDS_NOTHING,
	  .options = OPT(OUTPUT) | OPT(LIVE) | OPT(LAB) | OPT(TIMEOUT) | OPT(COVERAGE),
	  .outputs = OUT_TABLE_JSON | OUT_TAP,
	  .words_min = 0,
	  .words_max = ANY,
	  .word = WORD_FILE },
	{ .name = "diff",
	  .run = diff_run,
	  .usage = "OLD NEW",
	  .line = "which flows a change of a file allows or denies, and by which rule",
	  .text = "Walks all pairs in both files, on every protocol and port where some rule begins or ends. A line tells\n"
		  "who may now reach whom (+) or no longer (-), and what decides at the gate that makes the difference.\n"
		  "(from:LO-HI): only from these client ports.\n"
		  "Exit 0: no changes. Exit 1: something differs.\n\n"
		  "  git show HEAD:lab.ini > /tmp/lab.ini; vpc diff /tmp/lab.ini lab.ini\n",
	  .need = NEEDS_NOTHING,
	  .options = OPT(OUTPUT),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 2,
	  .words_max = 2,
	  .word = WORD_FILE },
	{ .name = "replay",
	  .run = replay_run,
	  .usage = "FILE --eni NAME CAPTURE",
	  .line = "what the filter of an interface would do to captured packets",
	  .text = "CAPTURE is pcap or pcapng (tcpdump -w; - reads stdin) of Ethernet, Linux cooked or raw IP. What leaves the\n"
		  "interface's addresses, public ones too, is outbound, what comes to them inbound. Each packet meets the\n"
		  "interface's own gates, at the capture's time: source-check, sg-out, nacl-out and route on the way out;\n"
		  "nacl-in, dest-check and sg-in on the way in. A capture of another machine needs --assume, the direction of\n"
		  "its first packet: the address at that end stands for the interface. --summary: only the sums.\n"
		  "Exit 0: all packets allowed. Exit 1: some denied. Exit 4: the capture is broken.\n\n"
		  "  tcpdump -i eth0 -w web.pcap          (on the machine that web-1 is to be)\n"
		  "  vpc replay lab.ini --eni web-1 web.pcap\n"
		  "  vpc replay lab.ini --eni web-1 other.pcap --assume inbound -o jsonl | grep deny\n",
	  .need = NEEDS_NOTHING,
	  .options = OPT(OUTPUT) | OPT(ENI) | OPT(ASSUME) | OPT(ENGINE) | OPT(SUMMARY),
	  .outputs = OUT_TABLE_JSON | OUT_JSONL,
	  .words_min = 2,
	  .words_max = 2,
	  .word = WORD_FILE },
	{ .name = "plan",
	  .run = plan_run,
	  .usage = "FILE",
	  .line = "say what up would change, and change nothing",
	  .text = "Of a lab that runs, also which flows become allowed or denied, and by which rule.\n"
		  "Prints \"no changes\" when there is nothing to do. Exit 0 either way, unless --exit-code.\n\n"
		  "  vpc plan lab.ini\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB) | OPT(EXIT_CODE) | OPT(ALL_FLOWS),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 1,
	  .words_max = 1,
	  .word = WORD_FILE },
	{ .name = "up",
	  .run = up_run,
	  .usage = "FILE…",
	  .line = "bring a lab up, or change a running one to what the file says",
	  .text = "Only what differs is changed; running programs and connections stay. What vpc set and vpc create added stays\n"
		  "too; lines of the file that vpc unset took away come back. When no vpcd answers, one is\n"
		  "started; it ends by itself some seconds after its last lab. FILE - reads stdin.\n"
		  "The lab is called as [lab NAME] says, else as --lab says, else as the file.\n\n"
		  "  vpc up topologies/three-tier.ini\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 1,
	  .words_max = ANY,
	  .word = WORD_FILE },
	{ .name = "down",
	  .run = down_run,
	  .usage = "[LAB] | --all",
	  .line = "take a lab down, and leave nothing behind",
	  .text = "  vpc down three-tier\n  vpc down --all\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB) | OPT(ALL),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 0,
	  .words_max = 1,
	  .word = WORD_NAME },
	{ .name = "show",
	  .run = show_run,
	  .usage = "[KIND [[LAB/]NAME]]",
	  .line = "labs, or the things of a kind in a lab",
	  .text = "KIND: labs vpcs subnets instances interfaces route-tables security-groups nacls internet-gateways\n"
		  "nat-gateways vpc-peering-connections prefix-lists hosts flow-logs alarms, or topology: the file that\n"
		  "would build what runs. One or many: instance is instances.\n\n"
		  "  vpc show\n"
		  "  vpc show route-tables --lab three-tier\n"
		  "  vpc show instance three-tier/web-1 -o json\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 0,
	  .words_max = 2,
	  .word = WORD_KIND },
	{ .name = "status",
	  .run = status_run,
	  .usage = "[LAB]",
	  .line = "packets of each interface, by the way they took; programs, maps, connections, losses",
	  .text = "CACHED: judged once before, one look-up. FULL: the whole pipeline. STACK: through the router's stack.\n"
		  "FILTERS ok: the programs attached there are those that this vpcd loaded. Maps that are more than a tenth\n"
		  "full are named (-o json has all).\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 0,
	  .words_max = 1,
	  .word = WORD_NAME },
	{ .name = "rules",
	  .run = rules_run,
	  .usage = "[LAB]",
	  .line = "every rule with its counters and its place in the file",
	  .text = "LAST-HIT: how long ago a packet was judged by it. Packets of a flow that is known pass without that and count;\n"
		  "such a flow is judged anew every four seconds, so its last packet may be up to four seconds younger.\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 0,
	  .words_max = 1,
	  .word = WORD_NAME },
	{ .name = "ct",
	  .run = ct_run,
	  .usage = "[LAB] | flush [LAB | [LAB/]INSTANCE]",
	  .line = "the connections of a lab, tracked or not; or forget those that are tracked",
	  .text = "A connection needs no tracking where rules let everything in and every answer out. IDLE-LEFT-S: after so\n"
		  "many seconds without a packet it is forgotten. flush: of one instance, or of the whole lab.\n\n"
		  "  vpc ct three-tier\n"
		  "  vpc ct flush three-tier/web-1\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 0,
	  .words_max = 2,
	  .word = WORD_NAME },
	{ .name = "probe",
	  .run = probe_run,
	  .usage = "[LAB/]SRC DST PROTO/PORT",
	  .line = "send real packets and say which gate and rule decided",
	  .text = "Packets leave from inside SRC and are answered at DST, by vpcd where nothing listens there.\n" FLOW_TEXT
		  "Each answer is also held against the static walk; the first one that differs is told.\n"
		  "Exit 0: allowed. Exit 1: denied.\n\n"
		  "  vpc probe laptop web-1 tcp/443 --lab three-tier\n"
		  "  vpc probe three-tier/web-1 db-1 tcp/5432 --count 3\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB) | OPT(FROM_PORT) | OPT(COUNT) | OPT(TIMEOUT),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 3,
	  .words_max = 3,
	  .word = WORD_NAME },
	{ .name = "observe",
	  .run = observe_run,
	  .usage = "[LAB]",
	  .line = "verdicts as they are given: new flows and denied packets, with gate and rule",
	  .text = "Without -f: what vpcd remembers (its last 10,000 events). With -f: what is to come; with --since too: both.\n"
		  "Denied packets of one flow are gathered: a line at the first, then one a second with their number.\n"
		  "What was lost is told in one line; counters (vpc rules, vpc status) are exact all the same. Times are UTC.\n"
		  "While several observers listen, the finest sampling of them holds.\n\n"
		  "  vpc observe three-tier -f --verdict deny\n"
		  "  vpc observe -f --instance web-1 --sample-established 100 -o jsonl\n"
		  "  vpc observe --since 10m --gate nacl-in --to 10.0.2.0/24\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB) | OPT(FOLLOW) | OPT(SINCE) | OPT(VERDICT) | OPT(FROM) | OPT(TO) |
		     OPT(PROTO) | OPT(PORT) | OPT(GATE) | OPT(RULE) | OPT(INSTANCE) | OPT(COUNT) | OPT(SAMPLE_NEW) |
		     OPT(SAMPLE_ESTABLISHED) | OPT(SAMPLE_DENIED),
	  .outputs = OUT_TABLE_JSONL,
	  .words_min = 0,
	  .words_max = 1,
	  .word = WORD_NAME },
	{ .name = "capture",
	  .run = capture_run,
	  .usage = "[LAB/]NAME… -w FILE",
	  .line = "packets of interfaces into one pcapng file, each with its verdict",
	  .text = "NAME is an instance (all its interfaces), an interface, a NAT gateway or a host. What it sends is captured\n"
		  "as it left, what it receives as it arrives there, and what was denied at its gates as it would have.\n"
		  "Each packet carries the program's answer as verdict option, and gate and rule with FILE:LINE as comment.\n"
		  "What was lost stands in the statistics of the file, and in the last line. Ctrl-C ends it.\n"
		  "ARP that the router answers is not shown.\n\n"
		  "  vpc capture web-1 db-1 -w both.pcapng\n"
		  "  vpc capture three-tier/web-1 -w - --filter 'tcp port 443' | wireshark -k -i -\n"
		  "  vpc capture web-1 -w - --count 100 | tshark -r - -T fields -e frame.comment\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(LAB) | OPT(OUT) | OPT(FILTER) | OPT(SNAPLEN) | OPT(COUNT),
	  .words_min = 1,
	  .words_max = ANY,
	  .word = WORD_NAME },
	{ .name = "top",
	  .run = top_run,
	  .usage = "[LAB]",
	  .line = "gates that deny, rules and flows, full screen, every second anew",
	  .text = "Keys as in top and less: q quits, h tells of the others.\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(LAB),
	  .words_min = 0,
	  .words_max = 1,
	  .word = WORD_NAME },
	{ .name = "flows",
	  .run = flows_run,
	  .usage = "[LAB|[LAB/]FLOW-LOG]",
	  .line = "flow log records: what interfaces sent and received, ACCEPT or REJECT",
	  .text = "Of the [flow-log NAME] sections of the lab, in the format of each (AWS's version 2 unless it says other), or\n"
		  "in that of --format. A record appears when its window ends; --now ends it now; -f goes on with what is to\n"
		  "come. Fields: AWS's of versions 2 to 5, and rule: what decided, OWNER/DIRECTION/RULE. docs/flow-logs.md.\n"
		  "Files with all records: vpc show flow-logs.\n\n"
		  "  vpc flows --now\n"
		  "  vpc flows three-tier/edge -f --format '${srcaddr} ${dstaddr} ${dstport} ${action} ${rule}'\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB) | OPT(FOLLOW) | OPT(FORMAT) | OPT(NOW),
	  .outputs = OUT_TABLE_JSONL,
	  .words_min = 0,
	  .words_max = 1,
	  .word = WORD_NAME },
	{ .name = "set",
	  .run = set_run,
	  .usage = "KIND [LAB/]NAME KEY VALUE…",
	  .line = "change one value of a running lab",
	  .text = "KIND and KEY as in the file. A key that may stand several times gets one more line.\n\n"
		  "  vpc set security-group web inbound tcp 22 from 198.51.100.0/24 --lab three-tier\n"
		  "  vpc set instance web-1 source-dest-check no\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 4,
	  .words_max = ANY,
	  .word = WORD_KIND },
	{ .name = "unset",
	  .run = unset_run,
	  .usage = "KIND [LAB/]NAME KEY [VALUE…]",
	  .line = "remove one value of a running lab",
	  .text = "Without VALUE: every line of that key.\n\n"
		  "  vpc unset security-group web inbound tcp 22 from 198.51.100.0/24 --lab three-tier\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 3,
	  .words_max = ANY,
	  .word = WORD_KIND },
	{ .name = "zone",
	  .run = zone_run,
	  .usage = "[LAB] | down LAB ZONE | up LAB ZONE",
	  .line = "an outage of an availability zone, and its end",
	  .text = "down: the links of all interfaces in the zone go down, those of NAT gateways too. States stay as they were,\n"
		  "as in AWS; connections of other zones go on. It lasts until up, whatever else is done to the lab. ZONE is a\n"
		  "letter, or with its region: us-east-1a. Without down or up: the zones.\n\n"
		  "  vpc zone down two-zones-outage a\n"
		  "  vpc zone two-zones-outage\n",
	  .need = NEEDS_DAEMON,
	  .options = OPT(OUTPUT) | OPT(LAB),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 0,
	  .words_max = 3,
	  .word = WORD_NAME },
	{ .name = "logs",
	  .run = logs_run,
	  .usage = "[LAB/]INSTANCE",
	  .line = "what the run programs of an instance have printed",
	  .text = NULL,
	  .need = NEEDS_DAEMON,
	  .options = OPT(LAB),
	  .words_min = 1,
	  .words_max = 1,
	  .word = WORD_NAME },
	{ .name = "exec",
	  .run = exec_run,
	  .usage = "[LAB/]INSTANCE -- CMD…",
	  .line = "run a command inside an instance or host",
	  .text = "CMD is root there, with the instance's network, names and host name, and nobody on the machine.\n"
		  "Exits as CMD does; 125 when CMD could not be run.\n\n"
		  "  vpc exec three-tier/web-1 -- ping -c1 bastion\n",
	  .need = NEEDS_ROOT,
	  .options = OPT(LAB),
	  .words_min = 2,
	  .words_max = ANY,
	  .word = WORD_NAME,
	  .rest = true },
	{ .name = "shell",
	  .run = shell_run,
	  .usage = "[LAB/]INSTANCE",
	  .line = "a shell inside an instance or host",
	  .text = "As exec, with $SHELL.\n\n  vpc shell three-tier/web-1\n",
	  .need = NEEDS_ROOT,
	  .options = OPT(LAB),
	  .words_min = 1,
	  .words_max = 1,
	  .word = WORD_NAME,
	  .rest = true },
	{ .name = "version",
	  .run = version_run,
	  .usage = "",
	  .line = "version of vpc, and of the vpcd that answers",
	  .text = NULL,
	  .need = NEEDS_NOTHING,
	  .options = OPT(OUTPUT),
	  .outputs = OUT_TABLE_JSON,
	  .words_min = 0,
	  .words_max = 0,
	  .word = WORD_NONE },
	{ .name = "help",
	  .run = help_run,
	  .usage = "[VERB]",
	  .line = "this list, or the help of one verb",
	  .text = NULL,
	  .need = NEEDS_NOTHING,
	  .words_min = 0,
	  .words_max = 1,
	  .word = WORD_VERB },
	{ .name = "completion",
	  .run = completion_run,
	  .usage = "",
	  .line = "print a completion script for bash",
	  .text = "  eval \"$(vpc completion)\"\n",
	  .need = NEEDS_NOTHING,
	  .words_min = 0,
	  .words_max = 0,
	  .word = WORD_NONE },
};
const size_t n_verbs = ARRAY_SIZE(verbs);

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < n_verbs; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

const char *verb_nearest(const char *name)
{
	const char *names[ARRAY_SIZE(verbs)];

	for (size_t i = 0; i < n_verbs; i++)
		names[i] = verbs[i].name;
	return str_nearest(name, names, n_verbs);
}
