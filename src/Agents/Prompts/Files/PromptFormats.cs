using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>Semantic Kernel's prompts: one YAML or JSON file, or a folder with the template and its settings apart.</summary>
internal static class KernelFormat
{
    public static PromptFileParts ReadYaml(YamlNode root, PromptFileReading reading)
    {
        var fields = reading.Fields(root, "a prompt");
        var template = fields["template"];
        var messages = fields["messages"];
        if (template is not null && messages is not null)
            throw messages.Error(PromptFileError.Content, "the prompt has both 'template' and 'messages'; keep one of them.");
        var format = fields["template_format"];
        var threads = Threads(fields, reading);
        var name = fields.Text("name") ?? Path.GetFileNameWithoutExtension(root.Path);
        PromptBody body;
        if (messages is not null)
            body = new SeveralBodies(
                [.. (messages.Items ?? throw messages.Error(PromptFileError.Content, "'messages' must be a list of {role, content}."))
                .Select(message => Message(message, format, reading))]);
        else if (template is not null)
            body = Body(reading.Text(template), PlaceOf(template), format, null, threads, reading);
        else
            throw root.Error(PromptFileError.Content, "the prompt has no 'template'.");
        return Settings(fields, body, PromptFileFormat.KernelYaml, name, reading);
    }

    public static PromptFileParts ReadFolder(string folder, PromptFileReading reading)
    {
        var file = Path.Combine(folder, PromptFileReader.KernelPromptFile);
        var template = reading.Open(file).TrimEnd('\n');
        var config = Path.Combine(folder, PromptFileReader.KernelConfigFile);
        var root = reading.Exists(config) ? YamlNode.Parse(reading.Open(config), config) : YamlNode.Parse("{}", config);
        var fields = reading.Fields(root, PromptFileReader.KernelConfigFile);
        foreach (var other in (string[])["template", "messages"])
            if (fields[other] is { } twice)
                throw twice.Error(PromptFileError.Content,
                    $"the settings hold '{other}' beside {PromptFileReader.KernelPromptFile}; keep one of them.");
        fields.Ignore("schema", "type");
        var body = Body(template, new TemplatePlace(file, 1), fields["template_format"], null, Threads(fields, reading), reading);
        var name = fields.Text("name") ?? Path.GetFileName(Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar));
        return Settings(fields, body, PromptFileFormat.KernelFolder, name, reading);
    }

    private static PromptFileParts Settings(
        PromptFields fields, PromptBody body, PromptFileFormat format, string name, PromptFileReading reading)
    {
        var options = new ChatOptions();
        YamlNode? responseFormat = null;
        string? model = null;
        if (fields.Map("execution_settings", "completion") is { } services)
        {
            // Either settings by service, of which the default or the first counts, or settings at once, as old folders have them.
            bool isByService = (services.Node.Members ?? []).TrueForAll(member => member.Value.Members is not null || member.Value.IsNull);
            var chosen = services.Node.Members is not { Count: > 0 } members || !isByService ? null
                : members.Find(member => member.Key == "default") ?? members[0];
            var settings = !isByService ? services : chosen is null ? null : services.Map(chosen.Key);
            if (settings is not null)
            {
                model = settings.Text("model_id") ?? settings.Text("service_id") ?? (chosen?.Key is "default" ? null : chosen?.Key);
                responseFormat = PromptChatOptions.Read(settings, reading, options);
            }

            if (isByService)
                services.Done($"; the settings of '{chosen?.Key}' count.");
        }

        var declared = new List<PromptInput>();
        foreach (var node in fields.List("input_variables"))
        {
            var input = reading.Fields(node, "an input variable");
            declared.Add(PromptFileReader.Input(
                input.Text("name")
                    ?? throw node.Error(PromptFileError.Content, "an input variable needs a 'name'."), input, reading, isRequired: true));
        }

        if (fields.Map("input") is { } old)
            foreach (var node in old.List("parameters"))
            {
                var input = reading.Fields(node, "a parameter");
                declared.Add(PromptFileReader.Input(
                    input.Text("name")
                        ?? throw node.Error(PromptFileError.Content, "a parameter needs a 'name'."), input, reading, isRequired: false));
            }

        var output = fields.Map("output_variable");
        var outputSchema = output?["json_schema"];
        _ = output?.Text("description");
        output?.Done();
        var schema =
            PromptFileReader.SetSchema(options, responseFormat, outputSchema ?? fields["output_schema", "outputSchema"], reading, name);
        var parts = new PromptFileParts(format, name, body)
        {
            Description = fields.Text("description"),
            Inputs = PromptFileReader.WithUsed(declared, body),
            Model = model ?? fields.Text("model"),
            Options = options,
            OutputSchema = schema,
            Tools = PromptFileReader.Tools(fields.List("tools"), reading),
            Examples = PromptFileReader.Examples(fields["examples"], reading),
        };
        if (fields.Truth("allow_dangerously_set_content") == true)
            throw fields["allow_dangerously_set_content"]!.Error(PromptFileError.Content,
                "values would be read as part of the template; values stay values here, so remove allow_dangerously_set_content.");
        fields.Done();
        return parts;
    }

    private static PromptBody Message(YamlNode message, YamlNode? format, PromptFileReading reading)
    {
        var fields = reading.Fields(message, "a message");
        var role = fields.Text("role") switch
        {
            "system" or "developer" => ChatRole.System,
            "user" => ChatRole.User,
            "assistant" => ChatRole.Assistant,
            var other => throw (fields["role"] ?? message).Error(PromptFileError.Content,
                $"{(other is null ? "a message needs a 'role'" : $"the role '{other}' is not known")}; write system, user or assistant."),
        };
        var content = fields["content"] ?? throw message.Error(PromptFileError.Content, "a message needs a 'content'.");
        fields.Done();
        return Body(reading.Text(content), PlaceOf(content), format, role, [], reading);
    }

    private static PromptBody Body(
        string template, TemplatePlace place, YamlNode? format, ChatRole? role, IReadOnlyList<string> threads, PromptFileReading reading)
        => (format is null ? "semantic-kernel" : reading.Text(format)) switch
        {
            "semantic-kernel" => new KernelBody(template, place, reading.Options.Kernel, role),
            "jinja2"
                or "jinja" =>
                    new JinjaBody(template, place, role is null ? JinjaRoles.Tags : JinjaRoles.None, role ?? ChatRole.User, threads),
            var other => throw format!.Error(PromptFileError.Format,
                $"the template format '{other}' is not known; write semantic-kernel or jinja2"
                + $"{(other is "handlebars" or "liquid" ? " (most templates need only their loops and conditions changed)" : "")}."),
        };

    private static IReadOnlyList<string> Threads(PromptFields fields, PromptFileReading reading)
        => [.. fields.List("input_variables").Where(node => node["type"]?.Scalar == "thread" || node["kind"]?.Scalar == "thread")
            .Select(node => node["name"] is { } name ? reading.Text(name) : "")];

    // A block scalar's text begins on the line after its key.
    private static TemplatePlace PlaceOf(YamlNode node)
        => new(node.Path, node.IsPlain || node.Scalar?.Contains('\n') != true ? node.Line : node.Line + 1);
}

/// <summary>Prompty: front matter, then Jinja with lines such as <c>system:</c>. Its first and its second version.</summary>
internal static class PromptyFormat
{
    public static PromptFileParts Read(string path, PromptFileReading reading)
    {
        var (front, text, line) = PromptFileReader.Split(reading.Open(path), path);
        var fields = reading.Fields(front ?? YamlNode.Parse("{}", path), "the front matter");
        var name = fields.Text("name") ?? Path.GetFileNameWithoutExtension(path);
        var options = new ChatOptions();
        YamlNode? format = null;
        string? model = null;
        if (fields["model"] is { } named)
        {
            if (named.Members is null)
                model = reading.Text(named);
            else
                (model, format) = Model(reading.Fields(named, "'model'"), reading, options);
        }

        CheckTemplate(fields, reading);
        var declared = Inputs(fields["inputs", "inputSchema", "parameters"], reading).ToList();
        if (fields["sample"] is { Members: { } samples })
            declared.AddRange(samples.Where(sample => !declared.Exists(input => input.Name == sample.Key))
                .Select(sample => new PromptInput(sample.Key) { IsRequired = true }));
        var body = new JinjaBody(text, new TemplatePlace(path, line), JinjaRoles.Lines, ChatRole.System,
            declared.Where(input => input.Type == PromptInputType.Thread).Select(input => input.Name));
        var parts = new PromptFileParts(PromptFileFormat.Prompty, name, body)
        {
            Description = fields.Text("description"),
            Inputs = PromptFileReader.WithUsed(declared, body),
            Model = model,
            Options = options,
            OutputSchema = PromptFileReader.SetSchema(options, format, fields["outputs", "outputSchema"], reading, name),
            Tools = PromptFileReader.Tools(fields.List("tools"), reading),
            Examples = PromptFileReader.Examples(fields["examples"], reading),
        };
        fields.Ignore("authors", "tags", "version", "metadata", "displayName", "kind");
        fields.Done();
        return parts;
    }

    /// <summary>The inputs of Prompty and of Agent Framework: by name, with a value or a description each, or as a list.</summary>
    public static IEnumerable<PromptInput> Inputs(YamlNode? node, PromptFileReading reading)
    {
        if (node is null)
            yield break;
        node = node["properties"] ?? node;
        foreach (var (name, value) in node.Items is { } items
            ? items.Select(item => (item["name"]?.Scalar ?? throw item.Error(PromptFileError.Content, "an input needs a 'name'."), item))
            : (node.Members ?? throw node.Error(PromptFileError.Content, $"the inputs must be a mapping or a list, not {node.Kind}."))
                .Select(member => (member.Key, member.Value)))
            yield return value.Members is { } members && members.Exists(member => member.Key is "kind" or "type" or "default" or "required"
                or "description" or "sample" or "example" or "name")
                ? PromptFileReader.Input(name, reading.Fields(value, "an input"), reading, isRequired: true)
                : new PromptInput(name) { Default = value.IsNull ? null : reading.Json(value), IsRequired = value.IsNull };
    }

    /// <summary>The name of the model, and the schema among its options.</summary>
    public static (string? Model, YamlNode? Schema) Model(PromptFields fields, PromptFileReading reading, ChatOptions options)
    {
        var model = fields.Text("id", "name");
        if (fields.Map("configuration") is { } configuration)
        {
            model ??= configuration.Text("model", "name", "azure_deployment");
            configuration.Ignore("model", "name", "azure_deployment", "type");
            configuration.Done("; models.yaml says where a model is.");
        }

        YamlNode? schema = null;
        if (fields.Map("options", "parameters") is { } settings)
            schema = PromptChatOptions.Read(settings, reading, options);
        fields.Ignore("api", "apiType", "provider", "response");
        fields.Done("; models.yaml says where a model is.");
        return (model, schema);
    }

    private static void CheckTemplate(PromptFields fields, PromptFileReading reading)
    {
        if (fields["template"] is not { } template)
            return;
        var format = template.Members is null ? template
            : template["format"] is { Members: not null } inner ? inner["kind"]
            : template["format"] ?? template["type"];
        var parser = template["parser"] is { Members: not null } kind ? kind["kind"] : template["parser"];
        if (format is not null && reading.Text(format) is not ("jinja2" or "jinja") and var other)
            throw format.Error(PromptFileError.Format, $"the template format '{other}' is not known; write jinja2.");
        if (parser is not null && reading.Text(parser) is not ("prompty" or "prompty.chat") and var another)
            throw parser.Error(PromptFileError.Format, $"the parser '{another}' is not known; write prompty.");
    }
}

/// <summary>Agent Framework's <c>kind: Prompt</c>: instructions, and the question comes as the input <c>input</c>.</summary>
internal static class AgentFormat
{
    public const string Question = "input";

    public static PromptFileParts Read(YamlNode root, PromptFileReading reading)
    {
        var fields = reading.Fields(root, "an agent");
        _ = fields["kind"];
        var name = fields.Text("name") ?? Path.GetFileNameWithoutExtension(root.Path);
        var options = new ChatOptions();
        YamlNode? format = null;
        string? model = null;
        if (fields["model"] is { } named)
        {
            if (named.Members is null)
                model = reading.Text(named);
            else
                (model, format) = PromptyFormat.Model(reading.Fields(named, "'model'"), reading, options);
        }

        bool isJinja = false;
        if (fields["template"] is { } template)
        {
            var word = template.Members is null ? template
                : template["format"] is { Members: not null } inner ? inner["kind"]
                : template["format"];
            isJinja = word is null || reading.Text(word) is "jinja2" or "jinja"
                ? word is not null
                : throw word.Error(PromptFileError.Format, $"the template format '{word.Scalar}' is not known; write jinja2.");
        }

        var declared = PromptyFormat.Inputs(fields["inputs", "inputSchema"], reading).ToList();
        var bodies = new List<PromptBody>();
        foreach (var text in (YamlNode?[])[fields["instructions"], fields["additionalInstructions", "additional_instructions"]])
            if (text is not null)
                bodies.Add(isJinja
                    ? new JinjaBody(reading.Text(text), new TemplatePlace(text.Path, text.IsPlain ? text.Line : text.Line + 1),
                        JinjaRoles.None, ChatRole.System)
                    : new LiteralBody(reading.Text(text).TrimEnd('\n'), ChatRole.System));
        if (bodies.Count == 0)
            throw root.Error(PromptFileError.Content, "the agent has no 'instructions'.");
        if (!declared.Exists(input => input.Name == Question))
            declared.Add(
                new PromptInput(Question) { Type = PromptInputType.Text, Description = "What the agent is asked.", IsRequired = true });
        bodies.Add(new QuestionBody(Question));
        var body = new SeveralBodies(bodies);
        if (!isJinja && declared.FirstOrDefault(input => input.Name != Question) is { } unused)
            throw root.Error(PromptFileError.Content,
                $"the input '{unused.Name}' has no place in the instructions, which are plain text; write template: {{format: jinja2}} and "
                + $"{{{{{unused.Name}}}}}, or remove it.");
        var parts = new PromptFileParts(PromptFileFormat.Agent, name, body)
        {
            Description = fields.Text("description"),
            Inputs = PromptFileReader.WithUsed(declared, body),
            Model = model,
            Options = options,
            OutputSchema = PromptFileReader.SetSchema(options, format, fields["outputSchema", "outputs"], reading, name),
            Tools = PromptFileReader.Tools(fields.List("tools"), reading),
            Examples = PromptFileReader.Examples(fields["examples"], reading),
        };
        fields.Ignore("displayName", "metadata", "id", "version");
        fields.Done();
        return parts;
    }
}

/// <summary>Agent Skills: a folder whose SKILL.md holds instructions; the question comes as the input <c>input</c>.</summary>
/// <remarks>
/// The rules for names and descriptions are Agent Framework's (<see cref="AgentSkillFrontmatter"/>). Its
/// <see cref="AgentFileSkillsSource"/> logs a broken skill and leaves it out; a prompt must say which line is wrong, so the front matter is
/// read here.
/// </remarks>
internal static class SkillFormat
{
    public static PromptFileParts Read(string path, PromptFileReading reading)
    {
        var (front, text, _) = PromptFileReader.Split(reading.Open(path), path);
        if (front is null)
            throw new PromptFileException(PromptFileError.Content, path, 1,
                "a skill begins with front matter: ---, name, description, ---.");
        var fields = reading.Fields(front, "the front matter");
        string Needed(string key) => fields.Text(key) ?? throw front.Error(PromptFileError.Content, $"the skill has no '{key}'.");
        AgentSkillFrontmatter skill;
        try
        {
            skill = new AgentSkillFrontmatter(Needed("name"), Needed("description"), fields.Text("compatibility"));
        }
        catch (ArgumentException exception)
        {
            throw front.Error(PromptFileError.Content, $"the front matter does not keep to the rules of skills: {exception.Message}",
                exception);
        }

        var folder = Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(path)));
        if (skill.Name != folder)
            throw (fields["name"] ?? front).Error(PromptFileError.Content,
                $"the skill '{skill.Name}' lies in the folder '{folder}'; both must have the same name.");
        fields.Ignore("license", "metadata");
        if (fields.Text("allowed-tools") is { } allowed)
            reading.Remarks.Add(FormattableString.Invariant(
                $"{path}, line {fields["allowed-tools"]!.Line}: 'allowed-tools' ({allowed}) gives no tools; a host gives them."));
        fields.Done();
        if (string.IsNullOrWhiteSpace(text))
            throw new PromptFileException(PromptFileError.Content, path, null, "the skill has no instructions below its front matter.");
        var input = new PromptInput(AgentFormat.Question)
        {
            Type = PromptInputType.Text,
            Description = "What the skill is asked.",
            IsRequired = true,
        };
        return new PromptFileParts(PromptFileFormat.Skill, skill.Name,
            new SeveralBodies([new LiteralBody(text.Trim('\n'), ChatRole.System), new QuestionBody(AgentFormat.Question)]))
        {
            Description = skill.Description,
            Inputs = [input],
        };
    }
}
