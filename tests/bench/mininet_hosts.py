#!/usr/bin/python3
"""mininet_hosts.py HOSTS: milliseconds that Mininet takes to build a network of so many hosts behind one Linux bridge, and to
take it away. In the network namespace it is started in; by the interpreter that has Mininet's package."""
import sys, time
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo

setLogLevel("error")
Mininet.inited = True  # it would raise limits of the whole machine
n = int(sys.argv[1])
start = time.perf_counter()
net = Mininet(topo=SingleSwitchTopo(n), switch=LinuxBridge, controller=None, waitConnected=False)
net.start()
up = time.perf_counter()
first, last = net.hosts[0], net.hosts[-1]
lost = net.ping([first, last], timeout="5")
checked = time.perf_counter()
net.stop()
end = time.perf_counter()
if lost:
    sys.exit("a ping between two hosts was lost")
print((up - start) * 1e3, (end - checked) * 1e3)
