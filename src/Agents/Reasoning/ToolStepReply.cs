using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>A step of ReAct: a thought, and either a tool with its input or the answer.</summary>
/// <param name="Thought">What the model thought.</param>
/// <param name="Action">The tool's name as written, or <see cref="ToolStepReply.Answer"/>.</param>
/// <param name="Input">The tool's input as JSON, or as the text that the model wrote in its place; the answer.</param>
/// <param name="Text">The step without what stands around it.</param>
internal sealed record ToolStep(string Thought, string Action, string Input, string Text)
{
    internal bool IsAnswer => Action == ToolStepReply.Answer;
}

/// <summary>
/// The form of a step: a JSON object of <c>thought</c>, <c>action</c> and <c>input</c>, where the input follows the schema of the tool that
/// the action names. What models write who have not seen the schema enforced (other member names, <c>finish</c>) is read too.
/// </summary>
internal sealed class ToolStepReply(IReadOnlyList<AIFunctionDeclaration> tools) : ReplyFormat<ToolStep>
{
    /// <summary>The action that ends a run.</summary>
    internal const string Answer = "answer";

    /// <summary>The name by which guardrails know a step, whose tool input is not shown to anybody.</summary>
    internal const string SchemaName = "kotonoha_step";

    private const int MaxThoughtLength = 800;

    private readonly ChatResponseFormatJson _format = ChatResponseFormat.ForJsonSchema(Schema(tools), SchemaName, "One step.");

    internal static bool IsAnswer(string name) => name.Trim().ToLowerInvariant() is Answer or "finish" or "final answer" or "final_answer";

    internal override void Constrain(ChatOptions options) => options.ResponseFormat = _format;

    internal override (ToolStep? Value, string? Problem) Read(ChatResponse response, int attempt)
    {
        if (JsonReader.Find(response.Text) is not { ValueKind: JsonValueKind.Object } json)
            return (null, "The reply holds no JSON object.");
        string? thought = Member(json, "thought", "reasoning", "thoughts"), action = null, input = null;
        foreach (var member in json.EnumerateObject())
        {
            if (member.Name is "action" or "tool" or "name" or "function")
            {
                // {"action": {"name": …, "input": …}}
                action = Member(member.Value, "name", "tool", "action") ?? ToolText.Of(member.Value);
                input ??= Member(member.Value, "input", "arguments", "parameters");
            }
            else if (member.Name is "input" or "action_input" or "arguments" or "parameters")
            {
                input = ToolText.Of(member.Value);
            }
            else if (IsAnswer(member.Name) && ToolText.Of(member.Value) is { Length: > 0 } answer)
            {
                (action, input) = (Answer, answer);
            }
        }

        if (string.IsNullOrWhiteSpace(action))
            return (null, "The step has no \"action\".");
        if (IsAnswer(action))
            action = Answer;
        if (action == Answer && JsonReader.Find(input ?? "") is { ValueKind: JsonValueKind.Object } whole
            && whole.EnumerateObject().ToList() is [var only])
            input = ToolText.Of(only.Value);
        return action == Answer && string.IsNullOrWhiteSpace(input)
            ? (null, "The step answers with nothing.")
            : (new ToolStep(thought ?? "", action, input?.Trim() ?? "", json.GetRawText()), null);
    }

    internal override ValueTask<string> RepairAsync(string problem, PromptLanguage language, CancellationToken cancellationToken)
    {
        var names = string.Join(", ", tools.Select(tool => tool.Name).Append(Answer));
        return new(language == PromptLanguage.Japanese
            ? $$"""{{problem}} 示された形の JSON オブジェクトをひとつだけ書いてください：{"thought": "…", "action": "次のどれか：{{names}}", "input": …}"""
            : $$"""{{problem}} Write one JSON object in the form that was shown: {"thought": "…", "action": "one of: {{names}}", "input": …}""");
    }

    private static string? Member(JsonElement json, params ReadOnlySpan<string> names)
    {
        if (json.ValueKind == JsonValueKind.Object)
            foreach (var name in names)
                if (json.TryGetProperty(name, out var value))
                    return ToolText.Of(value);
        return null;
    }

    private static JsonElement Schema(IReadOnlyList<AIFunctionDeclaration> tools)
    {
        var definitions = new JsonObject();
        var steps = new JsonArray();
        foreach (var tool in tools)
        {
            var input = JsonNode.Parse(tool.JsonSchema.ValueKind == JsonValueKind.Object ? tool.JsonSchema.GetRawText() : "{}")!.AsObject();
            input.Remove("$schema");
            input.Remove("title");
            input["type"] ??= "object";
            input["properties"] ??= new JsonObject();
            input["additionalProperties"] ??= false;
            var name = $"input{definitions.Count + 1}";
            MoveReferences(input, $"#/$defs/{name}");
            definitions[name] = input;
            steps.Add(Step(tool.Name, new JsonObject { ["$ref"] = $"#/$defs/{name}" }));
        }

        steps.Add(Step(Answer, new JsonObject { ["type"] = "string", ["minLength"] = 1 }));
        var root = steps.Count == 1 ? steps[0]!.DeepClone().AsObject() : new JsonObject { ["anyOf"] = steps };
        if (definitions.Count > 0)
            root["$defs"] = definitions;
        return JsonElement.Parse(root.ToJsonString());
    }

    private static JsonObject Step(string action, JsonNode input) => new()
    {
        ["type"] = "object",
        ["properties"] = new JsonObject
        {
            ["thought"] = new JsonObject { ["type"] = "string", ["maxLength"] = MaxThoughtLength },
            ["action"] = new JsonObject { ["const"] = action },
            ["input"] = input,
        },
        ["required"] = new JsonArray("thought", "action", "input"),
        ["additionalProperties"] = false,
    };

    /// <summary>A reference within a tool's schema (<c>#/$defs/City</c>) now starts where that schema stands.</summary>
    private static void MoveReferences(JsonNode? node, string place)
    {
        if (node is JsonArray list)
        {
            foreach (var item in list)
                MoveReferences(item, place);
        }
        else if (node is JsonObject members)
        {
            if (members["$ref"] is JsonValue value && value.TryGetValue<string>(out var reference)
                && (reference == "#" || reference.StartsWith("#/", StringComparison.Ordinal)))
                members["$ref"] = place + reference[1..];
            foreach (var (_, member) in members.ToList())
                MoveReferences(member, place);
        }
    }
}
