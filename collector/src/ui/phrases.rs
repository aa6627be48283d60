//! The fixed words of the pages, in both languages: all of them, and nowhere else.
//!
//! What diagnoses say of every timeline stands in both with them; what they say of one is English
//! (`Html::english`). Names of callbacks and codes are the same in every language.

use super::language::Language;

/// A fixed text. `{0}`, `{1}` are places for data; where English has a form for one of a thing, it stands
/// before a `|`, and `{0}` is how many.
#[derive(Debug)]
pub struct Phrase {
    english: &'static str,
    chinese: &'static str,
}

impl Phrase {
    /// As it is in a language.
    pub fn of(&self, language: Language) -> &'static str {
        language.choose(self.english, self.chinese)
    }

    /// With data in its places.
    pub fn with(&self, language: Language, data: &[&str]) -> String {
        let all = self.of(language);
        let form = match all.split_once('|') {
            Some((one, _)) if data.first() == Some(&"1") => one,
            Some((_, many)) => many,
            None => all,
        };
        // Data is never looked at again: it may have braces of its own.
        let mut parts = form.split('{');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (place, rest) = part.split_once('}').unwrap_or(("", part));
            let value = place.parse().ok().and_then(|place: usize| data.get(place));
            filled.push_str(value.copied().unwrap_or_default());
            filled.push_str(rest);
        }
        filled
    }
}

macro_rules! phrases {
    ($($name:ident: $english:literal = $chinese:literal,)*) => {
        $(pub static $name: Phrase = Phrase { english: $english, chinese: $chinese };)*

        #[cfg(test)]
        static TABLE: &[(&str, &Phrase)] = &[$((stringify!($name), &$name)),*];
    };
}

phrases! {
    // Every page.
    SKIP: "Skip to content" = "跳到正文",
    MAIN: "Main" = "主导航",
    METRICS: "Metrics" = "指标",
    UNKNOWN: "unknown" = "未知",
    MORE: "{0} more are not shown here." = "另有 {0} 项未在此显示。",
    LOST: "lost" = "丢失",
    HUNG: "hung" = "挂起",
    FAILED: "failed" = "失败",
    RACE: "race" = "侥幸",
    NOTE: "note" = "提示",
    PENDING: "pending" = "待定",
    CLEAR: "clear" = "无异常",
    REQUEST: "request" = "请求",
    RESPONSE: "response" = "响应",
    STOCK_ENVOY: "stock Envoy" = "原版 Envoy",
    HIGRESS: "Higress" = "Higress",

    // States of timelines.
    OPEN: "open" = "进行中",
    OPEN_REVISION: "open, revision {0}" = "进行中，第 {0} 次修订",
    CLOSED: "closed" = "已关闭",
    ENDED: "ended" = "已结束",
    TIMED_OUT: "closed: a call's timeout passed" = "已关闭：调用已超时",
    IDLE: "closed: idle" = "已关闭：长时间无事件",
    ROOT_ENDED: "closed: root context ended" = "已关闭：根上下文已结束",
    INSTANCE_ENDED: "closed: instance ended" = "已关闭：实例已结束",
    EVICTED: "closed: evicted" = "已关闭：被逐出",

    // Problems and the token.
    PROBLEM: "Problem" = "问题",
    CANNOT_BE_SHOWN: "This cannot be shown" = "无法显示",
    ALL_TIMELINES: "All timelines" = "所有时间线",
    TOKEN: "Token" = "令牌",
    ASKS_FOR_TOKEN: "This collector asks for a token" = "此收集器需要令牌",
    HOW_TOKEN: "Its pages are not open to everyone. \
                Give the token for reading that it was started with (--read-token)."
        = "它的网页并不对所有人开放。请输入启动时设置的读取令牌（--read-token）。",
    ENTER: "Open" = "打开",
    WRONG_TOKEN: "That token is not the one. Nothing was stored." = "令牌不对。没有保存任何内容。",

    // The list.
    TIMELINES: "Timelines" = "时间线",
    PLUGIN: "Plugin" = "插件",
    FINDING: "Finding" = "结论",
    SEVERITY: "Severity" = "严重程度",
    REQUEST_ID: "Request id" = "请求 ID",
    OPEN_OR_ENDED_IN: "Open or ended in" = "进行中或结束于",
    LAST_MINUTE: "the last minute" = "最近 1 分钟",
    LAST_5_MINUTES: "the last 5 minutes" = "最近 5 分钟",
    LAST_15_MINUTES: "the last 15 minutes" = "最近 15 分钟",
    LAST_HOUR: "the last hour" = "最近 1 小时",
    LAST_6_HOURS: "the last 6 hours" = "最近 6 小时",
    LAST_24_HOURS: "the last 24 hours" = "最近 24 小时",
    FILTER: "Filter" = "筛选",
    CLEAR_FILTER: "Clear" = "清除",
    ALL: "all" = "全部",
    NO_FIT: "No timeline fits this filter" = "没有符合条件的时间线",
    SHOW_ALL: "Show all timelines" = "显示所有时间线",
    NONE_YET: "No timeline yet" = "还没有时间线",
    APPEARS: "A timeline appears here as soon as an instrumented plugin sees a request:"
        = "改写后的插件一处理请求，时间线就会出现在这里：",
    REWRITE: "Rewrite the plugin: " = "改写插件：",
    CLUSTER_BEFORE: "Give the proxy a cluster named " = "在代理中添加集群 ",
    CLUSTER_AFTER: " that leads to this collector" = "，使它指向此收集器",
    COMMA: ", " = "，",
    STOP: "." = "。",
    LOAD_BEFORE: "Let the proxy load " = "让代理加载 ",
    LOAD_AFTER: " instead of the original, and send a request through it."
        = "，代替原来的插件，然后发送一个请求。",
    OLDER: "Older timelines" = "更早的时间线",
    WHAT_FOUND: "What was found" = "发现了什么",
    REQUEST_COLUMN: "Request" = "请求",
    CODE: "Code" = "状态码",
    STARTED_UTC: "Started (UTC)" = "开始（UTC）",
    DURATION: "Duration" = "时长",
    STATE: "State" = "状态",
    NOTHING_SO_FAR: "nothing so far" = "目前没有发现",
    NOTHING_FOUND: "nothing found" = "没有发现",
    LIVE: "live" = "实时",
    RECONNECTING: "reconnecting …" = "正在重连……",
    TO_LOOK_AT: "Instances to look at" = "需要留意的实例",
    OF_INSTANCE: ", instance " = "，实例 ",
    ALL_INSTANCES: "all instances" = "所有实例",

    // A timeline.
    TIMELINE_OF: "Timeline · {0}" = "时间线 · {0}",
    CONTEXT_OF: "context {0}" = "上下文 {0}",
    RESPONSE_FACT: "Response" = "响应",
    STARTED: "Started" = "开始",
    RESPONSE_DETAILS: "Response details" = "响应详情",
    UPSTREAM: "Upstream" = "上游",
    TERMINATION: "Termination" = "连接终止原因",
    TRANSPORT_FAILURE: "Transport failure" = "传输失败原因",
    AUTHORITY: "Authority" = "主机名（authority）",
    HOST: "Host" = "宿主",
    NODE: "Node" = "节点",
    CONTEXT: "Context" = "上下文",
    INSTANCE: "Instance" = "实例",
    A_ROOT: "root {0}" = "根 {0}",
    OF_ROOT: "{0} of root {1}" = "{0}，根 {1}",
    OF_ROOT_AGAIN: "{0} of root {1}, generation {2}" = "{0}，根 {1}，第 {2} 代",
    LAST_WORDS: "Last words of the plugin" = "插件的遗言",
    EVENTS: "Events" = "事件",
    AFTER: "After" = "时刻",
    EVENT: "Event" = "事件",
    PROVES: "Proves" = "证明",
    FINDING_NUMBER: "finding {0}" = "结论 {0}",
    AFTER_THE_END: "after the end" = "流已结束",
    NO_EVENT: "No event of this stream has arrived." = "这个流的事件一个也没有到达。",
    MORE_EVENTS: "{0} more event: see the script notation.|{0} more events: see the script notation."
        = "另有 {0} 个事件：见脚本记法。",
    NOTATION: "Script notation" = "脚本记法",
    AS_SCRIPT: "download as script" = "下载脚本",
    AS_JSON: "download as JSON" = "下载 JSON",
    AS_TRACE: "download as a trace for Perfetto" = "下载 Perfetto 追踪",

    COPY: "copy" = "复制",
    COPIED: "copied" = "已复制",
    NOT_COPIED: "not copied" = "未能复制",
    GRAFANA: "in Grafana" = "在 Grafana 中查看",
    JAEGER: "in Jaeger" = "在 Jaeger 中查看",

    // Findings.
    FINDINGS: "Findings" = "结论",
    NONE_HOLDS: "No diagnosis holds." = "没有一项诊断成立。",
    NONE_SO_FAR: "Nothing was found so far." = "目前没有发现。",
    CAUSE: "cause" = "原因",
    FACT: "fact" = "事实",
    CALL: "call {0}" = "调用 {0}",
    THE_DIRECTION: "the {0}" = "{0}",
    WHOLE_TIMELINE: "the whole timeline" = "整条时间线",
    SUPPORTED_BY: "Supported by {0}." = "佐证：{0}。",
    EVIDENCE: "Evidence" = "证据",
    SAME_REQUEST: "Timelines of the same request: " = "同一请求的时间线：",
    WINDOW_NONE: "no " = "没有 ",
    WINDOW_FROM: " from " = "，从 ",
    WINDOW_TO: " to " = " 到 ",
    WINDOW_KNOWN: " to all that is known, +{0}" = " 到已知的全部，+{0}",
    WINDOW_WHOLE: "; no event of it is missing" = "；其间没有缺失的事件",
    WINDOW_HOLES: "; events are missing" = "；有缺失的事件",
    WHAT_TO_DO: "What to do" = "怎么办",
    ANY_HOST: "On any host" = "任何宿主",
    ON_THIS_HOST: "On {0} (this host)" = "{0}（当前宿主）",
    ON_HOST: "On {0}" = "{0}",
    UNSAID: "What could not be said" = "无法断言的",
    NOT_BEFORE: " cannot be answered before +{0} is known" = "：要等到 +{0} 为止的事件都已知才能回答",
    MISSING: "Events #{0} to #{1} are missing: " = "缺失事件 #{0} 到 #{1}：",

    // A request.
    REQUEST_OF: "Request {0}" = "请求 {0}",
    ON_NODE: "On {0}" = "节点 {0}",
    ONE_AXIS: "On one time axis: what stands one above the other happened at the same moment." =
        "同一时间轴：上下对齐之处发生在同一时刻。",

    // Diagnoses.
    DIAGNOSES: "Diagnoses" = "诊断",
    CAN_FIND: "What this collector can find, causes before facts." = "此收集器能发现的问题，原因在前，事实在后。",
    AT_WORST_COLUMN: "At worst" = "最严重时",
    DIAGNOSIS_CODE: "Code" = "代码",
    WHAT_IT_SAYS: "What it says" = "含义",
    KIND: "Kind" = "类别",
    A_CAUSE: "a cause" = "原因",
    A_FACT: "a fact: it supports a cause, and is named first only where no cause explains it"
        = "事实：用来支持原因，只有在没有原因能解释它时才排在最前",
    AT_WORST: "{0} · at worst {1}" = "{0} · 最严重时 {1}",
    KNOWN_FROM: "Known from" = "见于",
    NO_THREAD: "No public thread about it is known." = "没有已知的公开讨论。",
    EXAMPLE: "Example" = "示例",
    RECENT_CASES: "Recent cases" = "最近的案例",
    NO_CASE: "No stored or open timeline has this finding." = "没有已存储或未结束的时间线带有这一结论。",
    ALL_CASES: "All timelines with this finding" = "带有这一结论的所有时间线",

    // Live traffic.
    TRAFFIC: "Live traffic" = "实时流量",
    TRAFFIC_HOW: "Recorded streams that began, and findings of timelines that were closed, in the last {0} second.\
                  |Recorded streams that began, and findings of timelines that were closed, in the last {0} seconds."
        = "最近 {0} 秒内开始的流（仅计已记录的），以及已关闭时间线的结论。",
    NO_TRAFFIC: "Nothing came." = "没有流量。",
    STREAMS: "Streams" = "流",
    A_SECOND: "A second" = "每秒",

    // Plugins.
    PLUGINS: "Plugins" = "插件",
    NO_PLUGIN: "No plugin has been heard of yet." = "还没有听到过任何插件。",
    RUN_IT: "Instances that run it" = "运行它的实例",
    PLUGIN_OF: "Plugin {0}" = "插件 {0}",
    ITS_TIMELINES: "its timelines" = "它的时间线",
    RECENT_FINDINGS: "Recent findings" = "最近的结论",
    OVER_TIME: "Findings over time" = "结论随时间的分布",
    NONE_IN_ITS: "Nothing was found in its timelines." = "在它的时间线中没有发现任何问题。",
    UNKNOWN_TIME: "an unknown time" = "未知时间",
    OF_LATEST_FOUND: "Of its latest {0} timeline in which something was found, since {1}.\
                      |Of its latest {0} timelines in which something was found, since {1}."
        = "取自最近 {0} 条有结论的时间线，自 {1} 起。",
    DIAGNOSIS: "Diagnosis" = "诊断",
    OVER_TIME_COLUMN: "Over time" = "时间分布",
    LATEST: "Latest" = "最近一次",
    BARS: "from the first stretch of time to the last: {0}" = "从最早到最近的各时间段：{0}",
    AS_COUNTED: "As its recorders counted, recorded or not, in the instances heard of lately and \
                 since each began. The mean is exact, the other times are upper bounds."
        = "由它的记录器计数（无论是否记录），取自最近有消息的实例，自各实例启动起。平均值是精确的，其他时间是上界。",
    BY_VERSION: "By version" = "按版本",
    BY_VERSION_HOW: "A version is a module and a configuration. Findings are those of the timelines above; \
                     of an instance that is forgotten the module is not known."
        = "一个版本由模块和配置组成。结论取自上述时间线；已被遗忘的实例，其模块不得而知。",
    ORIGINAL_MODULE: "Original module (SHA-256)" = "原始模块（SHA-256）",
    CONFIGURATION: "Configuration" = "配置",
    WHAT_RETURNED: "What its phases returned" = "各阶段的返回值",
    COUNTED_EACH: "As its recorders counted, recorded or not, in the instances heard of lately and since \
                   each began."
        = "由记录器计数（无论是否记录），取自最近有消息的各实例，自其启动起。",
    PHASE: "Phase" = "阶段",
    RETURNED: "Returned" = "返回值",
    DISTRIBUTION: "Distribution" = "分布",
    TIMES_BY_LENGTH: "by how long they took: {0}" = "按时长：{0}",
    CALLS: "Calls" = "调用",
    NO_CALL: "Its recorders have counted no call." = "它的记录器没有计到调用。",
    CLUSTER: "Cluster" = "集群",
    OUTCOME: "Outcome" = "结果",
    MEAN: "Mean" = "平均",
    HALF_WITHIN: "Half within" = "半数不超过",
    MOST_WITHIN: "99 % within" = "99 % 不超过",
    HOW_LONG_HELD: "How long streams were held" = "流被扣住了多久",
    HOLDS: "Holds" = "扣住",
    HELD: "Held" = "被扣住的",
    TIMES: "Times" = "次数",
    TIME_IN: "Time in the plugin" = "在插件中的时间",
    NO_TIMELINE: "It has no timeline." = "它没有时间线。",
    FROM_LATEST: "From its latest {0} timeline, as recorded.|From its latest {0} timelines, as recorded."
        = "取自最近 {0} 条时间线的记录。",
    ALL_OF_ONE: "all of a timeline" = "整条时间线",
    CALLBACK: "Callback" = "回调",
    MEDIAN: "Median" = "中位数",
    LONGEST: "Longest" = "最长",
    IN_ALL: "In all" = "合计",
    NO_VM: "No instance that runs it has been heard of lately." = "最近没有运行它的实例的消息。",
    RUNS_IT: "Runs it" = "仍在运行",
    STREAMS_SEEN: "Streams seen" = "处理过的流",
    VM_MEMORY: "Memory of the VM" = "虚拟机内存",
    YES: "yes" = "是",
    NO_LONGER: "no longer" = "不再运行",

    // Outcomes of calls.
    ANSWERED: "answered" = "已应答",
    LATE: "late" = "迟到",
    CANCELLED: "cancelled" = "被取消",
    REJECTED: "rejected" = "被拒绝",

    // Instances.
    INSTANCES: "Instances" = "实例",
    ABOUT_INSTANCES: "VMs that this collector has heard of lately. Each worker of a proxy has one for \
                      each plugin, and so has its main thread."
        = "最近有消息的虚拟机。代理的每个工作线程为每个插件各有一个，主线程也是如此。",
    NO_INSTANCE: "No instance has been heard of yet." = "还没有听到过任何实例。",
    RECORDER: "Recorder" = "记录器",
    GAPS: "Gaps" = "缺口",
    LOST_AT_SOURCE: "Events lost at source" = "在源头丢失的事件",
    ALL_AS_JSON: "all as JSON" = "全部（JSON）",
    TRAPPED: "trapped" = "已崩溃",
    SILENT: "silent" = "没有消息",
    TURNED_DOWN: "turned down" = "已降级",
    NO_STREAM_YET: "no stream yet" = "还没有流",
    RECORDS: "records" = "正在记录",
    INSTANCE_OF: "Instance {0}" = "实例 {0}",
    SDK: "SDK (a guess)" = "SDK（推测）",
    ABI: "ABI" = "ABI",
    INSTRUMENTED_FOR: "Instrumented for" = "改写目标宿主",
    OPEN_TIMELINES: "Open timelines" = "未关闭的时间线",
    KNOWN_UP_TO: "Known up to" = "已知到",
    OF_ITS_CLOCK: "{0} of its clock" = "{0}（它的时钟）",
    NO_STREAM_WHY: "It has seen no stream so far: the VM of the main thread never does, nor does the \
                    one in which a configuration is tried."
        = "它至今没有处理过流：主线程的虚拟机和用来试验配置的虚拟机从来不会处理流。",
    FINAL_WHY: "It said that no more comes: its last root context ended."
        = "它已声明不会再有数据：它最后一个根上下文已结束。",
    REFUSED: "the host refused {0} shipment of its recorder: the cluster that leads to this collector \
              was not known to it at those times, or took no more\
              |the host refused {0} shipments of its recorder: the cluster that leads to this collector \
              was not known to it at those times, or took no more"
        = "宿主拒绝了记录器的 {0} 次发送：当时宿主不认识指向此收集器的集群，或该集群不再接受请求",
    WHAT_IS_WRONG: "What is wrong" = "哪里不对",
    LAST_WORDS_IN: "Last words in {0} of context {1}" = "在上下文 {1} 的 {0} 中的遗言",
    A_CALLBACK: "a callback" = "某个回调",
    ROOTS_HEAD: "Roots: a plugin with one configuration each" = "根：每个根是一个插件及其一份配置",
    ROOTS: "Roots" = "根",
    ROOT_ID: "Root id" = "根 ID",
    SINCE: "Since" = "自",
    UNTIL: "Until" = "至",
    IT_ENDED: "it ended" = "已结束",
    IT_LIVES: "it lives" = "仍在运行",
    COUNTED_HEAD: "What its recorder counted" = "记录器的计数",
    NO_COUNT: "No count of it has come." = "还没有收到它的计数。",
    COUNTS: "Counts" = "计数",
    SINCE_BEGAN: "Since the instance began" = "自实例启动起",
    COUNT: "Count" = "数量",
    EVENTS_MADE: "events made" = "产生的事件",
    EVENTS_LOST: "events lost before they were shipped" = "发送前丢失的事件",
    STREAMS_REFUSED: "streams not recorded, its buffer being nearly full" = "因缓冲区将满而没有记录的流",
    STREAMS_UNWATCHED: "streams that it had no room to watch" = "没有空间监视的流",
    SHIPMENTS_REFUSED: "shipments that the host refused" = "被宿主拒绝的发送",
    LINES_DROPPED: "log lines of plugins that it had no room for" = "没有空间保存的插件日志行",
    FUSE_TRIPS: "times that it turned itself down" = "自行降级的次数",
    MEMORY_BYTES: "bytes of the VM's memory" = "虚拟机内存字节数",
    GAPS_HEAD: "Gaps, the most recent first" = "缺口，最近的在前",
    WHY_MISSING: "Why they are missing" = "缺失原因",
    GAP_RANGE: "#{0} to #{1}" = "#{0} 到 #{1}",

    // The drawing.
    LANE_CALLS: "calls" = "调用",
    LANE_HOSTCALLS: "hostcalls" = "宿主调用",
    LANE_CONTEXT: "context" = "上下文",
    HELD_FOR: "{0} held {1}" = "{0}被扣住 {1}",
    HELD_STILL: "{0} held, not released" = "{0}被扣住，未放行",
    END_OF_STREAM: "end of stream" = "流结束",
    LOST_HERE: "events lost" = "事件丢失",
    MORE_CALLS: "and {0} more call|and {0} more calls" = "另有 {0} 个调用",
    GOES_ON: "goes on" = "放行",
    STOPS: "stops" = "停住",
    A_CALL: "call" = "调用",
    DASHED: "dashed: no callback yet" = "虚线：尚无回调",
    TOO_LATE: "after the end: too late" = "流结束之后：太迟",
    COMPRESSED: "≀ compressed: {0}" = "≀ 已压缩：{0}",
    NOT_DRAWN: "{0} event is not drawn|{0} events are not drawn" = "有 {0} 个事件未画出",
    CALL_TO: "call {0} · {1} to “{2}”" = "调用 {0} · {1} 至“{2}”",
    DISPATCH_TO: "{0} to “{1}”" = "{0} 至“{1}”",
    NO_CALLBACK_YET: "no callback yet, timeout {0}" = "尚无回调，超时 {0}",
    NO_CALLBACK_EVER: "no callback yet, no timeout" = "尚无回调，无超时",
    ANSWERED_AFTER: "answered after {0}" = "{0} 后应答",
    ANSWERED_WITH: "answered after {0} with {1}" = "{0} 后应答 {1}",
    FAILED_AFTER: "failed after {0}" = "{0} 后失败",
    FAILED_WITH: "failed after {0} with {1}" = "{0} 后失败，{1}",
    CALLBACK_AFTER: "callback after {0}" = "{0} 后回调",
    LATE_BY: "{0} late" = "迟到 {0}",
    CANCELLED_BY_ROOT: "cancelled: its root ended" = "被取消：它的根已结束",
    REJECTED_WITH: "rejected: {0}" = "被拒绝：{0}",
    DRAWN_ROOT: "Timeline of the {0}" = "{0} 的时间线",
    DRAWN_CONTEXT: "Timeline of context {0} in {1}" = "{1} 中上下文 {0} 的时间线",
    DRAWN_REQUEST: "Timeline of {0} {1} in {2}" = "{2} 中 {0} {1} 的时间线",
    UNNAMED: "a plugin without a name" = "未命名的插件",
    OVER_SPAN: "{0} event over {1}.|{0} events over {1}." = "{1} 内有 {0} 个事件。",
    WAS_HELD: "The {0} was held for {1}." = "{0}被扣住 {1}。",
    IS_HELD: "The {0} is held." = "{0}正被扣住。",
    STREAM_ENDED: "The stream ended after {0}." = "流在 {0} 后结束。",
    ROOT_IS_OVER: "The root ended after {0}." = "根在 {0} 后结束。",
    CAME_LATE: "{0} response callback came after the end of the stream.\
                |{0} response callbacks came after the end of the stream."
        = "{0} 个响应回调在流结束之后才到。",

    // What is wrong with an instance.
    TRAPPED_IN: "trapped in {0} at {1}" = "在 {1} 时于 {0} 中崩溃",
    SILENT_SINCE: "silent since {1}, while {0} stream is open in it|silent since {1}, while {0} streams are open in it"
        = "自 {1} 起没有消息，其中还有 {0} 个流未结束",
    DOWN_AT: "the recorder turned itself down at {0}: {1}" = "记录器在 {0} 自行降级：{1}",
    DOWN_TIME_SHARE: "its own time passed a share of the plugin's" = "它自身的耗时超过了插件耗时的限定比例",
    DOWN_LOSS: "it lost events for many seconds in a row" = "它连续多秒丢失事件",
    DOWN_MEMORY: "the plugin's memory is nearly as large as it may become" = "插件的内存几乎已达上限",
    DOWN_ORDER: "it was ordered to" = "收到了降级的指令",
    DOWN_UNKNOWN: "for a reason that this version does not know" = "原因为此版本所不知",
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places for data in a text, in order.
    fn places(text: &str) -> Vec<&str> {
        let mut found: Vec<&str> =
            text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|p| p.0).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn every_phrase_has_both_languages_and_the_same_places() {
        for (name, phrase) in TABLE {
            assert!(!phrase.english.is_empty() && !phrase.chinese.is_empty(), "{name}");
            assert!(
                phrase.english.is_ascii() || phrase.english.contains(['·', '…', '“', '≀']),
                "{name}"
            );
            for form in phrase.english.split('|') {
                assert_eq!(places(form), places(phrase.chinese), "{name}");
            }
            let same = phrase.english == phrase.chinese;
            assert!(!same || ["ABI", "HIGRESS"].contains(name), "{name} is not Chinese");
            assert!(!phrase.chinese.contains('|'), "{name}: Chinese has one form");
        }
    }

    #[test]
    fn data_is_put_in_its_place_and_one_is_not_many() {
        let english = |data: &[&str]| MORE_EVENTS.with(Language::English, data);
        assert_eq!(english(&["1"]), "1 more event: see the script notation.");
        assert_eq!(english(&["{0}|{1}"]), "{0}|{1} more events: see the script notation.");
        assert_eq!(MORE_EVENTS.with(Language::Chinese, &["3"]), "另有 3 个事件：见脚本记法。");
    }
}
