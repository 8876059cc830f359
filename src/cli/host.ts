// cutover host enrol | check | list
import type { Command } from "commander";
import type { Register } from "./command.ts";
import { addHostCheck, addHostList } from "./host-check.ts";
import { addHostEnrol } from "./host-enrol.ts";

export function addHost(program: Command, register: Register): void {
  const host = program.command("host").description("Enrol hosts, ask them how they are, list them");
  addHostEnrol(host, register);
  addHostCheck(host, register);
  addHostList(host, register);
}
