// Skeletons on whole Debian hosts. One alone: --test-name-pattern=go-reuseport
import { testRows } from "./test-rows.ts";

await testRows("systemd-skeletons");
