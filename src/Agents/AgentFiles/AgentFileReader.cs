using System.Globalization;
using System.Text.Json;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Agents.Safety;
using Kotonoha.Agents.Tools;
using Kotonoha.Foundation.Security;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.AgentFiles;

/// <summary>Reads <c>kind: Agent</c>, and finds out which kind a file is.</summary>
internal static class AgentFileReader
{
    private const string Known = "an agent is 'kind: Agent', a workflow 'kind: Workflow'.";

    /// <summary>The kind of a file; null where it is neither an agent nor a workflow.</summary>
    public static AgentFileKind? KindOf(YamlNode root) => root["kind"]?.Scalar?.ToLowerInvariant() switch
    {
        "agent" => AgentFileKind.Agent,
        "workflow" => AgentFileKind.Workflow,
        _ => null,
    };

    public static AgentFile Read(string path, AgentFileOptions options)
    {
        var reading = new PromptFileReading(path, new PromptFileOptions
        {
            AllowedEnvironment = options.AllowedEnvironment,
            Texts = options.Texts,
        }, options.Texts);
        var root = YamlNode.Parse(reading.Open(path), path);
        switch (KindOf(root))
        {
            case AgentFileKind.Agent:
                var agent = AgentDefinition.Read(root, reading, options, Path.GetFileNameWithoutExtension(path));
                return new AgentFile(AgentFileKind.Agent, agent.Name, agent.Description, options, reading, [.. agent.Servers],
                    opening => agent.Open(opening, null), opening => agent.Tools.SelectMany(tool => tool.Open(opening)));
            case AgentFileKind.Workflow:
                return WorkflowFileReader.Read(root, reading, options);
            default:
                throw root["kind"] is { } kind
                    ? kind.Error(PromptFileError.Format, $"the kind '{kind.Scalar}' is none of an agent; {Known}")
                    : new PromptFileException(PromptFileError.Format, path, 1, $"the file has no 'kind'; {Known}");
        }
    }

    /// <summary>A whole number of at least 1, or null where the field is missing.</summary>
    public static int? Whole(PromptFields fields, string name) => fields[name] is not { } value ? null
        : value.ScalarJson() is { } json && json.GetValueKind() == JsonValueKind.Number && json.TryGetValue(out long number)
        && number is >= 1 and <= int.MaxValue
        ? (int)number
        : throw value.Error(PromptFileError.Content, $"'{name}' must be a whole number of at least 1, not {Shown(value)}.");

    /// <summary>A number above 0, or null where the field is missing.</summary>
    public static double? Number(PromptFields fields, string name) => fields[name] is not { } value ? null
        : value.ScalarJson() is { } json && json.GetValueKind() == JsonValueKind.Number && json.Deserialize<double>() is > 0 and var number
        ? number
        : throw value.Error(PromptFileError.Content, $"'{name}' must be a number above 0, not {Shown(value)}.");

    public static TimeSpan? Seconds(PromptFields fields, string name)
        => Number(fields, name) is { } seconds ? TimeSpan.FromSeconds(seconds) : null;

    /// <summary>The full path of what a file names, which the options may want to lie in a folder.</summary>
    public static string Within(AgentFileOptions options, YamlNode node, string path)
        => options.Folder is not { } folder || Path.GetRelativePath(Path.GetFullPath(folder), path) is var place
            && place != ".." && !place.StartsWith(".." + Path.DirectorySeparatorChar, StringComparison.Ordinal) && !Path.IsPathRooted(place)
            ? path
            : throw node.Error(
                PromptFileError.File, $"'{node.Scalar}' lies outside of the folder that agents may read here; put it there.");

    private static string Shown(YamlNode value) => value.Scalar is { } text ? $"'{text}'" : value.Kind;
}

/// <summary>An agent as a file describes it.</summary>
internal sealed record AgentDefinition(string Name, string? Description)
{
    private const string Strategies =
        "chat, chainOfThought, selfConsistency, react, planAndExecute, treeOfThoughts or reflexion";

    internal required Func<AgentOpening, IChatClient, IReadOnlyList<AITool>, AIAgent> Make { get; init; }

    internal required IReadOnlyList<ToolDefinition> Tools { get; init; }

    /// <summary>The servers of the Model Context Protocol that its tools come from.</summary>
    internal IEnumerable<McpToolDefinition> Servers => Tools.OfType<McpToolDefinition>();

    private string? Model { get; init; }

    /// <summary>Reads an agent.</summary>
    /// <param name="root">The mapping.</param>
    /// <param name="reading">The reading.</param>
    /// <param name="options">What the file may use from outside.</param>
    /// <param name="standardName">The name where the file gives none.</param>
    /// <param name="fixedName">The name whatever the file gives; null where the file decides.</param>
    public static AgentDefinition Read(
        YamlNode root, PromptFileReading reading, AgentFileOptions options, string standardName, string? fixedName = null)
    {
        var fields = reading.Fields(root, "an agent");
        fields.Ignore("kind", "displayName", "metadata", "id", "version");
        var own = fields.Text("name");
        var name = fixedName ?? own ?? standardName;
        var description = fields.Text("description");
        var instructions = fields.Text("instructions")?.TrimEnd('\n');
        var chat = new ChatOptions();
        string? model = null;
        if (fields["model"] is { } named)
        {
            if (named.Members is null)
            {
                model = reading.Text(named);
            }
            else
            {
                var members = reading.Fields(named, "'model'");
                model = members.Text("id", "name");
                if (members.Map("options") is { } settings && PromptChatOptions.Read(settings, reading, chat) is { } schema)
                    throw schema.Error(PromptFileError.Content, "an agent has no response format; remove it.");
                members.Check();
            }
        }

        var tools = fields.List("tools").Select(node => ToolReader.Read(node, reading, options)).ToList();
        var common = new StrategyOptions
        {
            Id = name,
            Name = name,
            Description = description,
            Instructions = instructions,
            ChatOptions = chat,
            Language = Language(fields),
            Budget = Limits(fields.Map("limits"), out bool hasBudget),
        };
        var strategy = fields["strategy"];
        var (kind, settingsOf) = StrategyOf(strategy, reading, "chat");
        if (kind == "chat" && hasBudget && fields["limits"] is { } limits
            && limits.Members!.Find(member => member.Key != "modelCalls") is { } unkept)
            throw limits.Error(PromptFileError.Content,
                $"'limits.{unkept.Key}' is kept by strategies only; name a 'strategy' ({Strategies[6..]}), or remove it.");
        if (tools.Count > 0 && (kind is "chainOfThought" or "selfConsistency" or "treeOfThoughts"))
            throw strategy!.Error(PromptFileError.Content,
                $"the strategy '{kind}' calls no tools; write react or planAndExecute, or remove 'tools'.");
        var make = StrategyReader.Read(kind, settingsOf, reading, common, strategy ?? root);
        fields.Check();
        return new AgentDefinition(name, description) { Make = make, Tools = tools, Model = model };
    }

    /// <summary>Makes the agent.</summary>
    /// <param name="opening">What it is made with.</param>
    /// <param name="standardModel">The model of an agent that names none.</param>
    public AIAgent Open(AgentOpening opening, string? standardModel)
    {
        var functions = Tools.SelectMany(tool => tool.Open(opening).Select(function => (Tool: tool, Function: function))).ToList();
        for (int i = 0; i < functions.Count; i++)
            if (functions.FindIndex(other => other.Function.Name == functions[i].Function.Name) is var first && first < i)
                throw functions[i].Tool.Node.Error(PromptFileError.Tool,
                    $"the agent already has a tool '{functions[i].Function.Name}', in line {functions[first].Tool.Node.Line}; "
                    + (functions[i].Tool is McpToolDefinition ? "give the tools of the server a 'prefix'." : "remove one of them."));
        // Whoever describes a tool has the model's ear from the start: then nothing with a side effect is done unasked.
        bool isTainted = functions.Exists(tool => ToolTraits.IsFromOutside(tool.Function));
        var chat = opening.Chat(Model ?? standardModel);
        AIFunction Watched(AIFunction tool) => opening.Options.WrapTool?.Invoke(Name, tool) ?? tool;
        return Make(opening, opening.Options.WrapClient?.Invoke(Name, chat) ?? chat, [.. functions.Select(tool =>
            tool.Tool.NeedsApproval(tool.Function) ?? (isTainted && !ToolTraits.IsReadOnly(tool.Function))
                ? opening.Options.ApproveAsync is { } approve
                    ? new ApprovedFunction(Watched(tool.Function), Name, approve)
                    : new ApprovalRequiredAIFunction(Watched(tool.Function))
                : Watched(tool.Function))]);
    }

    internal static (string Kind, PromptFields? Fields) StrategyOf(YamlNode? node, PromptFileReading reading, string standard)
    {
        if (node is null)
            return (standard, null);
        if (node.Members is null)
            return (Checked(reading.Text(node), node), null);
        var fields = reading.Fields(node, "'strategy'");
        var kind = fields.Text("kind") ?? throw node.Error(PromptFileError.Content, $"'strategy' needs a 'kind': {Strategies}.");
        return (Checked(kind, node), fields);

        static string Checked(string kind, YamlNode node) => Strategies.Split([", ", " or "], StringSplitOptions.None).Contains(kind)
            ? kind
            : throw node.Error(PromptFileError.Content, $"the strategy '{kind}' is not known; write {Strategies}.");
    }

    private static PromptLanguage Language(PromptFields fields) => fields.Text("language") switch
    {
        null or "auto" => PromptLanguage.Auto,
        "en" => PromptLanguage.English,
        "ja" => PromptLanguage.Japanese,
        var other => throw fields["language"]!.Error(
            PromptFileError.Content, $"the language '{other}' is not known; write en, ja or auto."),
    };

    private static RunBudget Limits(PromptFields? fields, out bool isGiven)
    {
        isGiven = fields is not null;
        if (fields is null)
            return new RunBudget();
        var budget = new RunBudget
        {
            MaxModelCalls = AgentFileReader.Whole(fields, "modelCalls") ?? new RunBudget().MaxModelCalls,
            MaxTokens = AgentFileReader.Whole(fields, "tokens"),
            MaxOutputTokens = AgentFileReader.Whole(fields, "outputTokens"),
            MaxToolCalls = AgentFileReader.Whole(fields, "toolCalls"),
            MaxDuration = AgentFileReader.Seconds(fields, "seconds"),
        };
        fields.Check();
        return budget;
    }
}

/// <summary>Reads a strategy and its settings.</summary>
internal static class StrategyReader
{
    public static Func<AgentOpening, IChatClient, IReadOnlyList<AITool>, AIAgent> Read(
        string kind, PromptFields? fields, PromptFileReading reading, StrategyOptions common, YamlNode owner)
    {
        if (kind == "chat")
        {
            fields?.Check();
            return (_, chat, tools) => Chat(chat, tools, common);
        }

        var make = Strategy(kind, fields, reading, common, owner);
        return (opening, chat, tools) => make(chat, tools);
    }

    private static Func<IChatClient, IReadOnlyList<AITool>, StrategyAgent> Strategy(
        string kind, PromptFields? fields, PromptFileReading reading, StrategyOptions common, YamlNode owner)
    {
        int? Whole(string name) => fields is null ? null : AgentFileReader.Whole(fields, name);
        Func<IChatClient, IReadOnlyList<AITool>, StrategyAgent> make;
        switch (kind)
        {
            case "chainOfThought":
                var thought = Common(new ChainOfThoughtOptions { Examples = Examples(fields, reading) }, common);
                make = (chat, _) => new ChainOfThoughtAgent(chat, thought);
                break;
            case "selfConsistency":
                var several = Common(new SelfConsistencyOptions
                {
                    Examples = Examples(fields, reading),
                    Samples = Whole("samples") ?? new SelfConsistencyOptions().Samples,
                    SampleTemperature = (float?)(fields is null ? null : AgentFileReader.Number(fields, "temperature"))
                        ?? new SelfConsistencyOptions().SampleTemperature,
                }, common);
                make = (chat, _) => new SelfConsistencyAgent(chat, several);
                break;
            case "react":
                var react = React(Whole, fields, new ReActOptions(), common);
                make = (chat, tools) => new ReActAgent(chat, tools, react);
                break;
            case "planAndExecute":
                var plain = new PlanAndExecuteOptions();
                var plan = Common(plain with
                {
                    MaxPlanSteps = Whole("maxPlanSteps") ?? plain.MaxPlanSteps,
                    MaxReplans = Whole("maxReplans") ?? plain.MaxReplans,
                    Execution = React(Whole, fields, plain.Execution, new StrategyOptions()),
                }, common);
                make = (chat, tools) => new PlanAndExecuteAgent(chat, tools, plan);
                break;
            case "treeOfThoughts":
                var standard = new TreeOfThoughtsOptions();
                var tree = Common(standard with
                {
                    Depth = Whole("depth") ?? standard.Depth,
                    Branches = Whole("branches") ?? standard.Branches,
                    BeamWidth = Whole("beamWidth") ?? standard.BeamWidth,
                }, common);
                make = (chat, _) => new TreeOfThoughtsAgent(chat, tree);
                break;
            default:
                var (inner, settings) = AgentDefinition.StrategyOf(fields?["actor"], reading, "chainOfThought");
                if (inner is "chat" or "reflexion")
                    throw (fields?["actor"] ?? owner).Error(PromptFileError.Content,
                        $"'{inner}' cannot be the 'actor' of reflexion; write another strategy.");
                var actor = Strategy(inner, settings, reading, new StrategyOptions { ChatOptions = common.ChatOptions }, owner);
                var reflexion = Common(new ReflexionOptions
                {
                    MaxTrials = Whole("maxTrials") ?? new ReflexionOptions().MaxTrials,
                    MaxLessons = Whole("maxLessons") ?? new ReflexionOptions().MaxLessons,
                }, common);
                make = (chat, tools) => new ReflexionAgent(chat, actor(chat, tools), reflexion);
                break;
        }

        fields?.Ignore("kind");
        fields?.Check();
        return make;
    }

    private static ReActOptions React(Func<string, int?> whole, PromptFields? fields, ReActOptions standard, StrategyOptions common)
        => Common(standard with
        {
            MaxSteps = whole("maxSteps") ?? standard.MaxSteps,
            MaxSameActions = whole("maxSameActions") ?? standard.MaxSameActions,
            ToolTimeout = (fields is null ? null : AgentFileReader.Seconds(fields, "toolSeconds")) ?? standard.ToolTimeout,
        }, common);

    private static T Common<T>(T options, StrategyOptions common) where T : StrategyOptions => options with
    {
        Id = common.Id,
        Name = common.Name,
        Description = common.Description,
        Instructions = common.Instructions,
        ChatOptions = common.ChatOptions,
        Language = common.Language,
        Budget = common.Budget,
    };

    private static List<ReasonedExample> Examples(PromptFields? fields, PromptFileReading reading)
        => [.. (fields?.List("examples") ?? []).Select(node =>
        {
            var example = reading.Fields(node, "an example");
            string Needed(string name) => example.Text(name)
                ?? throw node.Error(PromptFileError.Content, $"an example needs '{name}' (question, reasoning and answer).");
            var one = new ReasonedExample(Needed("question"), Needed("reasoning"), Needed("answer"));
            example.Check();
            return one;
        })];

    /// <summary>An agent whose model calls its functions itself.</summary>
    private static ChatClientAgent Chat(IChatClient chat, IReadOnlyList<AITool> tools, StrategyOptions common)
    {
        var options = common.ChatOptions?.Clone() ?? new ChatOptions();
        options.Instructions = common.Instructions;
        options.Tools = tools.Count > 0 ? [.. tools] : null;
        var invoking = chat.AsBuilder().UseFunctionInvocation(configure: client =>
        {
            // After these the model is asked once more, without functions.
            client.MaximumIterationsPerRequest = Math.Max((common.Budget.MaxModelCalls ?? int.MaxValue) - 1, 1);
        }).Build();
        return new ChatClientAgent(invoking, new ChatClientAgentOptions
        {
            Id = common.Id,
            Name = common.Name,
            Description = common.Description,
            ChatOptions = options,
        });
    }
}

/// <summary>An entry of 'tools'.</summary>
internal abstract class ToolDefinition(YamlNode node)
{
    public YamlNode Node => node;

    public abstract IEnumerable<AIFunction> Open(AgentOpening opening);

    /// <summary>Whether calls are asked about; null where the file does not say.</summary>
    public abstract bool? NeedsApproval(AIFunction function);
}

/// <summary>An entry that is one function.</summary>
internal sealed class FunctionDefinition(YamlNode node, bool? needsApproval, Func<AgentOpening, AIFunction> open) : ToolDefinition(node)
{
    public override IEnumerable<AIFunction> Open(AgentOpening opening) => [open(opening)];

    public override bool? NeedsApproval(AIFunction function) => needsApproval;
}

/// <summary>Reads a tool.</summary>
internal static class ToolReader
{
    private const string Kinds = "calculator, clock, read_file, fetch, query, mcp or function";

    public static ToolDefinition Read(YamlNode node, PromptFileReading reading, AgentFileOptions options)
    {
        // The short form: the kind alone.
        var fields = node.Members is null ? null : reading.Fields(node, "a tool");
        var kind = fields is null ? reading.Text(node) : fields.Text("kind")
            ?? throw node.Error(PromptFileError.Content, $"a tool needs a 'kind': {Kinds}.");
        ToolDefinition tool;
        if (kind == "mcp")
        {
            tool = McpToolReader.Read(fields, node, reading, options);
        }
        else
        {
            tool = new FunctionDefinition(node, Approval(fields, reading), Make(kind, fields, node, reading, options));
        }

        fields?.Check();
        return tool;
    }

    private static bool? Approval(PromptFields? fields, PromptFileReading reading)
    {
        if (fields?["approvalMode"] is not { } mode)
            return null;
        return reading.Text(mode["kind"] ?? mode) switch
        {
            "always" => true,
            "never" => false,
            var other => throw mode.Error(PromptFileError.Content, $"'approvalMode' is '{other}'; write always or never."),
        };
    }

    private static Func<AgentOpening, AIFunction> Make(
        string kind, PromptFields? fields, YamlNode node, PromptFileReading reading, AgentFileOptions options)
    {
        string Needed(string name, string what) => fields?.Text(name)
            ?? throw node.Error(PromptFileError.Content, $"the tool '{kind}' needs '{name}': {what}.");
        int? Whole(string name) => fields is null ? null : AgentFileReader.Whole(fields, name);
        string FullPath(string field, string path)
            => AgentFileReader.Within(
                options, fields![field]!, Path.GetFullPath(path, Path.GetDirectoryName(Path.GetFullPath(reading.Path))!));
        switch (kind)
        {
            case "calculator":
                return _ => Calculator.CreateFunction();
            case "clock":
                TimeZoneInfo? zone = null;
                if (fields?.Text("zone") is { } id && !TimeZoneInfo.TryFindSystemTimeZoneById(id, out zone))
                    throw fields["zone"]!.Error(PromptFileError.Content,
                        $"'zone' is '{id}', which is no time zone; write one such as Asia/Tokyo.");
                return _ => WorkTools.Clock(zone: zone);
            case "read_file":
                var root = FullPath("root", Needed("root", "the folder below which files are read"));
                if (!Directory.Exists(root))
                    throw fields!["root"]!.Error(PromptFileError.Content, $"'root' is '{root}', and there is no such folder.");
                int bytes = Whole("maxBytes") ?? 1 << 20;
                return _ => WorkTools.ReadFile(root, bytes);
            case "fetch":
                string[]? hosts = fields?["hosts"] is null ? null : [.. fields.List("hosts").Select(reading.Text)];
                int most = Whole("maxBytes") ?? 1 << 20;
                return _ => WorkTools.Fetch(new SsrfGuard(new SsrfGuardOptions { AllowedHosts = hosts }), most);
            case "query":
                var database = FullPath("database", Needed("database", "the file of the database"));
                var schema = Needed("schema", "what the model is told of the tables");
                int rows = Whole("maxRows") ?? 100;
                if (!File.Exists(database))
                    throw fields!["database"]!.Error(PromptFileError.Content, $"'database' is '{database}', and there is no such file.");
                return options.OpenDatabase is { } open
                    ? _ => WorkTools.Query(() => open(database), schema, rows)
                    : throw node.Error(PromptFileError.Tool,
                        "the tool 'query' needs an application that opens databases (AgentFileOptions.OpenDatabase).");
            case "function":
                var name = Needed("name", "the name of a tool that the application gives");
                var given = options.Tools.FirstOrDefault(tool => tool.Name == name) ?? throw node.Error(PromptFileError.Tool,
                    $"the tool '{name}' is named, and {(options.Tools.Count == 0 ? "no tools were given"
                        : $"only {string.Join(", ", options.Tools.Select(tool => $"'{tool.Name}'"))} were given")}; give it "
                    + "(AgentFileOptions.Tools), or remove it.");
                return _ => given;
            default:
                throw node.Error(PromptFileError.Tool, string.Create(CultureInfo.InvariantCulture,
                    $"the tool '{kind}' is not known; write {Kinds}."));
        }
    }
}
