using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.Grammars;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>Finds a prompt's format and reads what the formats have in common.</summary>
internal static class PromptFileReader
{
    public const string SkillFile = "SKILL.md", KernelPromptFile = "skprompt.txt", KernelConfigFile = "config.json";

    private const string Known =
        "a prompt is a .prompty file, a YAML file with 'template' (Semantic Kernel) or 'kind: Prompt' (Agent Framework), "
        + "or a folder with skprompt.txt or SKILL.md.";

    public static PromptFile Read(string path, PromptFileOptions options, IReadOnlyDictionary<string, string>? changed = null)
    {
        var reading = new PromptFileReading(path, options, changed ?? options.Texts);
        return new PromptFile(Parts(path, reading), reading);
    }

    private static PromptFileParts Parts(string path, PromptFileReading reading)
    {
        if (Directory.Exists(path))
            return File.Exists(Path.Combine(path, SkillFile)) ? SkillFormat.Read(Path.Combine(path, SkillFile), reading)
                : File.Exists(Path.Combine(path, KernelPromptFile)) ? KernelFormat.ReadFolder(path, reading)
                : throw new PromptFileException(PromptFileError.Format, path, null,
                    $"the folder has neither {KernelPromptFile} nor {SkillFile}; {Known}");
        var name = Path.GetFileName(path);
        if (name == SkillFile)
            return SkillFormat.Read(path, reading);
        if (name is KernelPromptFile or KernelConfigFile && reading.Exists(path))
            return KernelFormat.ReadFolder(Path.GetDirectoryName(Path.GetFullPath(path))!, reading);
        switch (Path.GetExtension(path).ToLowerInvariant())
        {
            case ".prompty":
                return PromptyFormat.Read(path, reading);
            case ".yaml" or ".yml" or ".json":
                var root = YamlNode.Parse(reading.Open(path), path);
                if (root["kind"]?.Scalar is { } kind)
                    return kind.Equals("prompt", StringComparison.OrdinalIgnoreCase)
                        ? AgentFormat.Read(root, reading)
                        : throw root["kind"]!.Error(PromptFileError.Format, $"the kind '{kind}' is not known; {Known}");
                return root["template"] is not null || root["messages"] is not null || root["template_format"] is not null
                    ? KernelFormat.ReadYaml(root, reading)
                    : throw new PromptFileException(PromptFileError.Format, path, 1,
                        $"the file has neither 'template' nor 'kind'; {Known}");
            default:
                if (!File.Exists(path))
                    reading.Open(path);
                throw new PromptFileException(PromptFileError.Format, path, null, $"the format is not known; {Known}");
        }
    }

    /// <summary>The front matter between two lines <c>---</c>, and what follows.</summary>
    public static (YamlNode? FrontMatter, string Body, int BodyLine) Split(string text, string path)
    {
        if (!text.StartsWith("---\n", StringComparison.Ordinal))
            return (null, text, 1);
        int end = text.StartsWith("---\n---\n", StringComparison.Ordinal) ? 3 : text.IndexOf("\n---\n", StringComparison.Ordinal);
        if (end < 0)
            throw new PromptFileException(PromptFileError.Syntax, path, 1,
                "the front matter that begins here is not closed; write a line --- after it, and the template below.");
        int bodyAt = Math.Max(end, 3) + "\n---\n".Length;
        var body = text[bodyAt..];
        return (YamlNode.Parse(end <= 4 ? "" : text[4..end], path, 2), body, TemplatePlace.LineOf(text, bodyAt));
    }

    /// <summary>A declared input.</summary>
    public static PromptInput Input(string name, PromptFields fields, PromptFileReading reading, bool isRequired)
    {
        var node = fields.Node;
        var type = PromptInputType.Any;
        if (fields["kind", "type"] is { } word)
            type = PromptInput.TypeOf(reading.Text(word)) ?? throw word.Error(PromptFileError.Content,
                $"'{word.Scalar}' is no type of an input; write string, number, integer, boolean, array, object or thread.");
        else if (fields["json_schema"] is { } schema && SchemaType(schema, reading) is { } fromSchema)
            type = fromSchema;
        if (fields.Truth("allow_dangerously_set_content") == true)
            throw fields["allow_dangerously_set_content"]!.Error(PromptFileError.Content,
                $"the value of '{name}' would be read as part of the template; values stay values here, so remove "
                    + $"allow_dangerously_set_content.");
        var standard = fields["default", "defaultValue"];
        var input = new PromptInput(name)
        {
            Type = type,
            Description = fields.Text("description"),
            Default = standard is null ? null : reading.Json(standard),
            IsRequired = (fields.Truth("is_required", "required") ?? isRequired) && standard is null,
        };
        fields.Ignore("name", "sample", "example", "isRequired", "strict", "enumValues", "items", "properties");
        fields.Done();

        // Semantic Kernel's defaults are texts whatever the type is.
        if (input.Default is { } value && input.Problem(value) is { } problem)
            input = value.ValueKind == JsonValueKind.String && input.Parse(value.GetString()!) is { } read
                ? input with { Default = read }
                : throw (standard ?? node).Error(PromptFileError.Content, $"the default does not fit: {problem}.");
        return input;
    }

    /// <summary>The declared inputs, then what the template uses and nobody declares; such an input is required.</summary>
    public static IReadOnlyList<PromptInput> WithUsed(IReadOnlyList<PromptInput> declared, PromptBody body)
        => [.. declared, .. body.Variables.Distinct().Where(name => !declared.Any(input => input.Name == name))
            .Select(name => new PromptInput(name) { IsRequired = true, IsDeclared = false })];

    /// <summary>The output schema: a JSON schema, or properties in the short form of Prompty and Agent Framework.</summary>
    public static JsonElement? Schema(YamlNode? node, PromptFileReading reading)
    {
        if (node is null)
            return null;
        node = reading.Expand(node);
        if (node.Scalar is { } text && !node.IsPlain)
            node = YamlNode.Parse(text, node.Path, node.Line);
        var schema = JsonSerializer.SerializeToElement(PromptSchema.Read(node, reading));
        try
        {
            _ = Grammar.FromJsonSchema(schema);
        }
        catch (GrammarException exception)
        {
            throw node.Error(PromptFileError.Schema,
                $"the output schema is invalid: {exception.Message.TrimEnd('.')}. "
                + "Correct it, or remove what is not supported.", exception);
        }

        return schema;
    }

    /// <summary>The tools that a list names or declares.</summary>
    public static IReadOnlyList<PromptTool> Tools(IReadOnlyList<YamlNode> nodes, PromptFileReading reading)
    {
        var tools = new List<PromptTool>();
        foreach (var node in nodes)
        {
            if (node.Members is null)
            {
                tools.Add(new PromptTool(reading.Text(node), null, null));
                continue;
            }

            var fields = reading.Fields(node, "a tool");

            // The form of OpenAI's requests, which old .prompty files hold.
            if (node["function"] is { Members: not null } inner)
            {
                fields.Ignore("type");
                _ = fields["function"];
                fields.Done();
                fields = reading.Fields(inner, "'function'");
            }

            var name = fields.Text("name") ?? node["id"]?.Scalar
                ?? throw node.Error(PromptFileError.Content, "a tool needs a 'name'.");
            var kind = fields.Text("kind", "type") ?? "function";
            bool isGiven = reading.Options.Tools.Any(tool => tool.Name == name);
            if (kind != "function" && !isGiven)
                throw node.Error(PromptFileError.Tool,
                    $"the tool '{name}' is of the kind '{kind}', which the file alone cannot open; give a tool of this name "
                    + "(PromptFileOptions.Tools).");
            var parameters = fields["parameters"];
            fields.Ignore("bindings", "strict", "id", kind == "function" ? "" : "options");
            tools.Add(new PromptTool(name, fields.Text("description"),
                parameters is null ? null : JsonSerializer.SerializeToElement(PromptSchema.Read(reading.Expand(parameters), reading))));
            fields.Done(isGiven ? "; the given tool counts." : null);
        }

        return tools;
    }

    /// <summary>The worked examples: <c>examples: [{input, output}]</c>, or a mapping with <c>items</c> and how to choose.</summary>
    public static PromptExamples? Examples(YamlNode? node, PromptFileReading reading)
    {
        if (node is null)
            return null;
        node = reading.Expand(node);
        var fields = node.Items is null ? reading.Fields(node, "'examples'") : null;
        var items = fields?["items"] ?? node;
        items = reading.Expand(items);
        var examples =
            (items.Items
                ?? throw items.Error(PromptFileError.Content, "'examples' must be a list of {input, output}, or hold one as 'items'."))
            .Select(item =>
            {
                var example = reading.Fields(item, "an example");
                var one = new FewShotExample(
                    example.Text("input") ?? throw item.Error(PromptFileError.Content, "an example needs an 'input'."),
                    example.Text("output") ?? throw item.Error(PromptFileError.Content, "an example needs an 'output'."));
                example.Done();
                return one;
            }).ToList();
        if (fields is null)
            return new PromptExamples(examples, null);
        int? count = Whole(fields["count"]), budget = Whole(fields["budget"]);
        var select = fields["select"];
        var diversity = fields["diversity"];
        int most = count ?? examples.Count;
        IExampleSelector? selector = (select is null ? "first" : reading.Text(select)) switch
        {
            "first" => new FirstExampleSelector(most),
            "random" => new RandomExampleSelector(most, (ulong)(Whole(fields["seed"]) ?? 0)),
            "similarity" => new SimilarityExampleSelector(most, reading.Options.Embeddings),
            "mmr" => new SimilarityExampleSelector(most, reading.Options.Embeddings, Fraction(diversity) ?? 0.5),
            "balanced" => new LabelBalancedExampleSelector(most),
            var other => throw select!.Error(PromptFileError.Content,
                $"'{other}' is no way to choose examples; write first, random, similarity, mmr or balanced."),
        };
        if (budget is { } limit)
            selector = new ChainedExampleSelector(selector, new BudgetExampleSelector(limit, reading.Options.Measure));
        fields.Done();
        return new PromptExamples(examples, selector);

        static int? Whole(YamlNode? value) => value is null ? null
            : value.ScalarJson() is { } json && json.TryGetValue(out long number) && number is >= 0 and <= int.MaxValue ? (int)number
            : throw value.Error(PromptFileError.Content, $"a whole number of at least 0 is expected here, not {value.Kind}.");

        static double? Fraction(YamlNode? value) => value is null ? null
            : value.ScalarJson() is { } json && json.GetValueKind() == JsonValueKind.Number
            && json.Deserialize<double>() is >= 0 and <= 1 and var number
            ? number
            : throw value.Error(PromptFileError.Content, "a number from 0 to 1 is expected here.");
    }

    /// <summary>Gives the schema to the options and checks that there is one only.</summary>
    public static JsonElement? SetSchema(ChatOptions options, YamlNode? format, YamlNode? output, PromptFileReading reading, string name)
    {
        if (format is not null && output is not null)
            throw output.Error(PromptFileError.Content, "the output schema is given here and as the response format; keep one of them.");
        var schema = Schema(format ?? output, reading);
        if (schema is { } known)
            options.ResponseFormat = ChatResponseFormat.ForJsonSchema(known, SchemaName(name));
        return schema;
    }

    // OpenAI's endpoints take letters, digits, '_' and '-' only.
    private static string SchemaName(string name)
    {
        var letters = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' ? c : '_'));
        return letters.Length is 0 ? "answer" : letters.Length > 64 ? letters[..64] : letters;
    }

    private static PromptInputType? SchemaType(YamlNode schema, PromptFileReading reading)
    {
        var node = reading.Expand(schema);
        if (node.Scalar is { } text && !node.IsNull)
            node = YamlNode.Parse(text, node.Path, node.Line);
        return node["type"]?.Scalar is { } type ? PromptInput.TypeOf(type) : null;
    }
}

/// <summary>Schemas: JSON schema as it stands, or the short form of Prompty and Agent Framework.</summary>
internal static class PromptSchema
{
    /// <summary>The JSON schema.</summary>
    public static JsonObject Read(YamlNode node, PromptFileReading reading)
    {
        // A list of properties: [{name, kind, …}].
        if (node.Items is { } list)
            return Object(list.Select(item => (Name(item), item)), [], node, reading);
        if (node.Members is null)
            throw node.Error(PromptFileError.Schema, $"a schema must be a mapping, not {node.Kind}.");
        if (node["properties"] is { } properties && (IsShort(node) || properties.Items is not null))
        {
            string[] rest = ["properties", "type", "kind", "required", "name", "strict", "examples"];
            var schema = Object(properties.Items is { } items
                    ? items.Select(item => (Name(item), item))
                    : (properties.Members ?? throw properties.Error(PromptFileError.Schema, "'properties' must be a mapping or a list."))
                        .Select(member => (member.Key, member.Value)),
                rest, node, reading);
            return schema;
        }

        // Properties without a word around them: outputs: {name: {type: string}}.
        if (node["type"] is null && node["kind"] is null && node["properties"] is null && node["$ref"] is null && node["anyOf"] is null
            && node["enum"] is null && node["const"] is null && node["allOf"] is null && node["oneOf"] is null
            && node.Members.Count > 0 && node.Members.TrueForAll(member => member.Value.Members is not null && !member.Key.StartsWith('$')))
            return Object(node.Members.Select(member => (member.Key, member.Value)), [], node, reading, isBare: true);
        return (JsonObject)node.ToJson(reading.Expand)!;
    }

    // Words of the short form: 'kind', or 'required' as a truth value of a property.
    private static bool IsShort(YamlNode node)
        => node["type"] is null || node["kind"] is not null
            || node["properties"]?.Members is { } members
            && members.Exists(m => m.Value["kind"] is not null || m.Value["required"] is { Items: null });

    private static JsonObject Object(
        IEnumerable<(string Name, YamlNode Node)> properties, string[] rest, YamlNode owner, PromptFileReading reading, bool isBare = false)
    {
        var members = new JsonObject();
        var required = new List<string>();
        var all = properties.ToList();
        bool saysRequired = all.Exists(property => property.Node["required"] is { Items: null });
        var stated = owner["required"]?.Items?.Select(item => item.Scalar).ToList();
        foreach (var (name, node) in all)
        {
            members[name] = Property(node, reading);
            if (stated is not null ? stated.Contains(name) : !saysRequired || node["required"]?.Scalar is "true")
                required.Add(name);
        }

        var schema = new JsonObject { ["type"] = "object", ["properties"] = members };
        if (required.Count > 0)
            schema["required"] = new JsonArray([.. required.Select(name => (JsonNode)name)]);
        schema["additionalProperties"] = false;
        foreach (var member in owner.Members ?? [])
            if (!isBare && !rest.Contains(member.Key))
                schema[member.Key] = member.Value.ToJson(reading.Expand);
        return schema;
    }

    private static JsonObject Property(YamlNode node, PromptFileReading reading)
    {
        if (node.Members is null)
            return new JsonObject { ["type"] = Type(node) };
        if (node["properties"] is not null)
            return Read(node, reading);
        var schema = new JsonObject();
        foreach (var member in node.Members)
            switch (member.Key)
            {
                case "kind" or "type" when member.Value.Scalar is not null:
                    schema["type"] = Type(member.Value);
                    break;
                case "enumValues":
                    schema["enum"] = member.Value.ToJson(reading.Expand);
                    break;
                case "items" when member.Value.Members is not null:
                    schema["items"] = Property(member.Value, reading);
                    break;
                case "name" or "required" or "sample" or "example":
                    break;
                default:
                    schema[member.Key] = member.Value.ToJson(reading.Expand);
                    break;
            }

        return schema;
    }

    private static string Type(YamlNode node) => node.Scalar switch
    {
        "float" or "double" => "number",
        "int" => "integer",
        "bool" => "boolean",
        "text" => "string",
        "list" => "array",
        "dictionary" => "object",
        "string" or "number" or "integer" or "boolean" or "array" or "object" or "null" => node.Scalar,
        var other => throw node.Error(PromptFileError.Schema,
            $"'{other}' is no type of JSON; write string, number, integer, boolean, array, object or null."),
    };

    private static string Name(YamlNode item)
        => item["name"]?.Scalar ?? throw item.Error(PromptFileError.Schema, "a property in a list needs a 'name'.");
}
