;; What the AssemblyScript compiler (0.28, --optimize --runtime stub --use abort=index/abort_proc_exit) makes of:
;;
;;     @external("env", "proxy_log")
;;     declare function proxy_log(level: u32, message: usize, size: usize): u32;
;;     @external("env", "proxy_get_header_map_value")
;;     declare function proxy_get_header_map_value(map: u32, key: usize, keySize: usize, value: usize, valueSize: usize): u32;
;;     @external("wasi_snapshot_preview1", "proc_exit")
;;     declare function proc_exit(code: u32): void;
;;
;;     const path = memory.data<u8>([0x3a, 0x70, 0x61, 0x74, 0x68]); // :path
;;     const gone = memory.data<u8>([0x67, 0x6f, 0x6e, 0x65]); // gone
;;     const out = new StaticArray<u32>(2);
;;     const kept = new Array<ArrayBuffer>();
;;
;;     export function proxy_abi_version_0_2_0(): void {}
;;
;;     export function malloc(size: u32): usize {
;;       const buffer = new ArrayBuffer(size);
;;       kept.push(buffer);
;;       return changetype<usize>(buffer);
;;     }
;;
;;     export function abort_proc_exit(message: string | null, file: string | null, line: u32, column: u32): void {
;;       proc_exit(255);
;;     }
;;
;;     export function proxy_on_request_headers(context: u32, headers: u32, end: u32): u32 {
;;       const at = changetype<usize>(out);
;;       if (proxy_get_header_map_value(0, path, 5, at, at + 4) == 0) {
;;         proxy_log(2, out[0], out[1]);
;;       }
;;       return 0;
;;     }
;;
;;     export function proxy_on_log(context: u32): void {
;;       proxy_log(3, gone, 4);
;;     }
(module
 (type $0 (func (param i32)))
 (type $1 (func (param i32 i32) (result i32)))
 (type $2 (func (param i32) (result i32)))
 (type $3 (func (param i32 i32 i32) (result i32)))
 (type $4 (func))
 (type $5 (func (param i32 i32)))
 (type $6 (func (param i32 i32 i32 i32 i32) (result i32)))
 (type $7 (func (param i32 i32 i32 i32)))
 (import "wasi_snapshot_preview1" "proc_exit" (func $index/proc_exit (param i32)))
 (import "env" "proxy_log" (func $index/proxy_log (param i32 i32 i32) (result i32)))
 (import "env" "proxy_get_header_map_value" (func $index/proxy_get_header_map_value (param i32 i32 i32 i32 i32) (result i32)))
 (global $~lib/rt/stub/offset (mut i32) (i32.const 0))
 (global $index/out (mut i32) (i32.const 0))
 (global $index/kept (mut i32) (i32.const 0))
 (memory $0 1)
 (data $0 (i32.const 1024) ":path")
 (data $1 (i32.const 1029) "gone")
 (data $2 (i32.const 1036) ",")
 (data $2.1 (i32.const 1048) "\02\00\00\00\1c\00\00\00I\00n\00v\00a\00l\00i\00d\00 \00l\00e\00n\00g\00t\00h")
 (data $3 (i32.const 1084) "<")
 (data $3.1 (i32.const 1096) "\02\00\00\00&\00\00\00~\00l\00i\00b\00/\00s\00t\00a\00t\00i\00c\00a\00r\00r\00a\00y\00.\00t\00s")
 (data $4 (i32.const 1148) "<")
 (data $4.1 (i32.const 1160) "\02\00\00\00(\00\00\00A\00l\00l\00o\00c\00a\00t\00i\00o\00n\00 \00t\00o\00o\00 \00l\00a\00r\00g\00e")
 (data $5 (i32.const 1212) "<")
 (data $5.1 (i32.const 1224) "\02\00\00\00\1e\00\00\00~\00l\00i\00b\00/\00r\00t\00/\00s\00t\00u\00b\00.\00t\00s")
 (data $6 (i32.const 1276) ",")
 (data $6.1 (i32.const 1288) "\02\00\00\00\1a\00\00\00~\00l\00i\00b\00/\00a\00r\00r\00a\00y\00.\00t\00s")
 (data $7 (i32.const 1324) "<")
 (data $7.1 (i32.const 1336) "\02\00\00\00&\00\00\00~\00l\00i\00b\00/\00a\00r\00r\00a\00y\00b\00u\00f\00f\00e\00r\00.\00t\00s")
 (data $8 (i32.const 1388) "<")
 (data $8.1 (i32.const 1400) "\02\00\00\00$\00\00\00I\00n\00d\00e\00x\00 \00o\00u\00t\00 \00o\00f\00 \00r\00a\00n\00g\00e")
 (export "proxy_abi_version_0_2_0" (func $index/proxy_abi_version_0_2_0))
 (export "malloc" (func $index/malloc))
 (export "abort_proc_exit" (func $index/abort_proc_exit))
 (export "proxy_on_request_headers" (func $index/proxy_on_request_headers))
 (export "proxy_on_log" (func $index/proxy_on_log))
 (export "memory" (memory $0))
 (start $~start)
 (func $~lib/rt/stub/__new (param $0 i32) (param $1 i32) (result i32)
  (local $2 i32)
  (local $3 i32)
  local.get $0
  i32.const 1073741804
  i32.gt_u
  if
   i32.const 255
   call $index/proc_exit
   unreachable
  end
  local.get $0
  i32.const 16
  i32.add
  call $~lib/rt/stub/__alloc
  local.tee $3
  i32.const 4
  i32.sub
  local.tee $2
  i32.const 0
  i32.store offset=4
  local.get $2
  i32.const 0
  i32.store offset=8
  local.get $2
  local.get $1
  i32.store offset=12
  local.get $2
  local.get $0
  i32.store offset=16
  local.get $3
  i32.const 16
  i32.add
 )
 (func $~lib/staticarray/StaticArray<u32>#__get (param $0 i32) (param $1 i32) (result i32)
  local.get $1
  local.get $0
  i32.const 20
  i32.sub
  i32.load offset=16
  i32.const 2
  i32.shr_u
  i32.ge_u
  if
   i32.const 255
   call $index/proc_exit
   unreachable
  end
  local.get $0
  local.get $1
  i32.const 2
  i32.shl
  i32.add
  i32.load
 )
 (func $~lib/rt/stub/maybeGrowMemory (param $0 i32)
  (local $1 i32)
  (local $2 i32)
  memory.size
  local.tee $1
  i32.const 16
  i32.shl
  i32.const 15
  i32.add
  i32.const -16
  i32.and
  local.tee $2
  local.get $0
  i32.lt_u
  if
   local.get $1
   local.get $0
   local.get $2
   i32.sub
   i32.const 65535
   i32.add
   i32.const -65536
   i32.and
   i32.const 16
   i32.shr_u
   local.tee $2
   local.get $1
   local.get $2
   i32.gt_s
   select
   memory.grow
   i32.const 0
   i32.lt_s
   if
    local.get $2
    memory.grow
    i32.const 0
    i32.lt_s
    if
     unreachable
    end
   end
  end
  local.get $0
  global.set $~lib/rt/stub/offset
 )
 (func $~lib/rt/stub/__alloc (param $0 i32) (result i32)
  (local $1 i32)
  (local $2 i32)
  local.get $0
  i32.const 1073741820
  i32.gt_u
  if
   i32.const 255
   call $index/proc_exit
   unreachable
  end
  global.get $~lib/rt/stub/offset
  global.get $~lib/rt/stub/offset
  i32.const 4
  i32.add
  local.tee $2
  local.get $0
  i32.const 19
  i32.add
  i32.const -16
  i32.and
  i32.const 4
  i32.sub
  local.tee $0
  i32.add
  call $~lib/rt/stub/maybeGrowMemory
  local.get $0
  i32.store
  local.get $2
 )
 (func $~start
  (local $0 i32)
  (local $1 i32)
  i32.const 1452
  global.set $~lib/rt/stub/offset
  i32.const 8
  i32.const 4
  call $~lib/rt/stub/__new
  local.tee $0
  i64.const 0
  i64.store align=1
  local.get $0
  global.set $index/out
  i32.const 16
  i32.const 5
  call $~lib/rt/stub/__new
  local.tee $0
  i32.const 0
  i32.store
  local.get $0
  i32.const 0
  i32.store offset=4
  local.get $0
  i32.const 0
  i32.store offset=8
  local.get $0
  i32.const 0
  i32.store offset=12
  i32.const 32
  i32.const 1
  call $~lib/rt/stub/__new
  local.tee $1
  i32.const 0
  i32.const 32
  memory.fill
  local.get $0
  local.get $1
  i32.store
  local.get $0
  local.get $1
  i32.store offset=4
  local.get $0
  i32.const 32
  i32.store offset=8
  local.get $0
  i32.const 0
  i32.store offset=12
  local.get $0
  global.set $index/kept
 )
 (func $~lib/rt/stub/__realloc (param $0 i32) (param $1 i32) (result i32)
  (local $2 i32)
  (local $3 i32)
  (local $4 i32)
  (local $5 i32)
  local.get $0
  i32.const 15
  i32.and
  i32.const 1
  local.get $0
  select
  if
   i32.const 255
   call $index/proc_exit
   unreachable
  end
  global.get $~lib/rt/stub/offset
  local.get $0
  i32.const 4
  i32.sub
  local.tee $4
  i32.load
  local.tee $3
  local.get $0
  i32.add
  i32.eq
  local.set $5
  local.get $1
  i32.const 19
  i32.add
  i32.const -16
  i32.and
  i32.const 4
  i32.sub
  local.set $2
  local.get $1
  local.get $3
  i32.gt_u
  if
   local.get $5
   if
    local.get $1
    i32.const 1073741820
    i32.gt_u
    if
     i32.const 255
     call $index/proc_exit
     unreachable
    end
    local.get $0
    local.get $2
    i32.add
    call $~lib/rt/stub/maybeGrowMemory
    local.get $4
    local.get $2
    i32.store
   else
    local.get $2
    local.get $3
    i32.const 1
    i32.shl
    local.tee $1
    local.get $1
    local.get $2
    i32.lt_u
    select
    call $~lib/rt/stub/__alloc
    local.tee $1
    local.get $0
    local.get $3
    memory.copy
    local.get $1
    local.set $0
   end
  else
   local.get $5
   if
    local.get $0
    local.get $2
    i32.add
    global.set $~lib/rt/stub/offset
    local.get $4
    local.get $2
    i32.store
   end
  end
  local.get $0
 )
 (func $~lib/array/ensureCapacity (param $0 i32) (param $1 i32)
  (local $2 i32)
  (local $3 i32)
  (local $4 i32)
  local.get $1
  local.get $0
  i32.load offset=8
  local.tee $2
  i32.const 2
  i32.shr_u
  i32.gt_u
  if
   local.get $1
   i32.const 268435455
   i32.gt_u
   if
    i32.const 255
    call $index/proc_exit
    unreachable
   end
   local.get $0
   i32.load
   local.set $3
   i32.const 1073741820
   local.get $2
   i32.const 1
   i32.shl
   local.tee $4
   local.get $4
   i32.const 1073741820
   i32.ge_u
   select
   local.tee $4
   i32.const 8
   local.get $1
   local.get $1
   i32.const 8
   i32.le_u
   select
   i32.const 2
   i32.shl
   local.tee $1
   local.get $1
   local.get $4
   i32.lt_u
   select
   local.tee $1
   i32.const 1073741804
   i32.gt_u
   if
    i32.const 255
    call $index/proc_exit
    unreachable
   end
   local.get $3
   i32.const 16
   i32.sub
   local.get $1
   i32.const 16
   i32.add
   call $~lib/rt/stub/__realloc
   local.tee $4
   i32.const 4
   i32.sub
   local.get $1
   i32.store offset=16
   local.get $2
   local.get $4
   i32.const 16
   i32.add
   local.tee $4
   i32.add
   i32.const 0
   local.get $1
   local.get $2
   i32.sub
   memory.fill
   local.get $3
   local.get $4
   i32.ne
   if
    local.get $0
    local.get $4
    i32.store
    local.get $0
    local.get $4
    i32.store offset=4
   end
   local.get $0
   local.get $1
   i32.store offset=8
  end
 )
 (func $index/proxy_on_request_headers (param $0 i32) (param $1 i32) (param $2 i32) (result i32)
  i32.const 0
  i32.const 1024
  i32.const 5
  global.get $index/out
  local.tee $0
  local.get $0
  i32.const 4
  i32.add
  call $index/proxy_get_header_map_value
  i32.eqz
  if
   i32.const 2
   global.get $index/out
   i32.const 0
   call $~lib/staticarray/StaticArray<u32>#__get
   global.get $index/out
   i32.const 1
   call $~lib/staticarray/StaticArray<u32>#__get
   call $index/proxy_log
   drop
  end
  i32.const 0
 )
 (func $index/proxy_on_log (param $0 i32)
  i32.const 3
  i32.const 1029
  i32.const 4
  call $index/proxy_log
  drop
 )
 (func $index/proxy_abi_version_0_2_0
 )
 (func $index/malloc (param $0 i32) (result i32)
  (local $1 i32)
  (local $2 i32)
  (local $3 i32)
  local.get $0
  i32.const 1073741820
  i32.gt_u
  if
   i32.const 255
   call $index/proc_exit
   unreachable
  end
  local.get $0
  i32.const 1
  call $~lib/rt/stub/__new
  local.tee $1
  i32.const 0
  local.get $0
  memory.fill
  global.get $index/kept
  local.tee $2
  i32.load offset=12
  local.tee $0
  i32.const 1
  i32.add
  local.set $3
  local.get $2
  local.get $3
  call $~lib/array/ensureCapacity
  local.get $2
  i32.load offset=4
  local.get $0
  i32.const 2
  i32.shl
  i32.add
  local.get $1
  i32.store
  local.get $2
  local.get $3
  i32.store offset=12
  local.get $1
 )
 (func $index/abort_proc_exit (param $0 i32) (param $1 i32) (param $2 i32) (param $3 i32)
  i32.const 255
  call $index/proc_exit
 )
)
