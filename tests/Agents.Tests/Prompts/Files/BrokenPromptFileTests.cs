using Kotonoha.Agents.Prompts.Files;

namespace Kotonoha.Agents.Tests.Prompts.Files;

/// <summary>Each kind of broken file gives an error that names the file, the line, and what to do.</summary>
public sealed class BrokenPromptFileTests : IDisposable
{
    private const string Agent = "kind: Prompt\ninstructions: x\n";

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string, PromptFileError, int?, string> Files => new()
    {
        { "a.yaml", "name: x\ntemplate: 'a\n  b: [\n", PromptFileError.Syntax, 2, "not valid YAML" },
        { "a.yaml", "name: x\nname: y\ntemplate: z\n", PromptFileError.Syntax, 2, "'name' is given twice" },
        { "a.yaml", "a: &x [1]\n<<: *x\ntemplate: z\n", PromptFileError.Syntax, 2, "merge keys" },
        { "a.yaml", "name: x\n", PromptFileError.Format, 1, "neither 'template' nor 'kind'" },
        { "a.yaml", "kind: Workflow\n", PromptFileError.Format, 1, "'Workflow' is not known" },
        { "a.yaml", "template: x\ntemplate_format: handlebars\n", PromptFileError.Format, 2, "semantic-kernel or jinja2" },
        { "a.txt", "x", PromptFileError.Format, null, "format is not known" },
        { "a.yaml", "template: |\n  Hi\n  {{$name\n", PromptFileError.Template, 3, "is not closed" },
        { "a.yaml", "template: |\n  Hi\n  {{$na-me}}\n", PromptFileError.Template, 3, "malformed" },
        { "a.yaml", "template: 'Hi {{time.now}}'\n", PromptFileError.Tool, 1, "'time.now', which no kernel has" },
        { "a.yaml", "template: '<message role=\"{{$role}}\">x</message>'\n", PromptFileError.Template, 1, "never decide who speaks" },
        { "a.yaml", "template: x\ninput_variables:\n- name: a\n  allow_dangerously_set_content: true\n", PromptFileError.Content, 4,
            "values stay values" },
        { "a.prompty", "---\nname: x\n---\nuser:\n{% if x %}\nHi\n{% endfor %}\n", PromptFileError.Template, 7, "malformed" },
        { "a.prompty", "---\nname: x\nuser:\nHi\n", PromptFileError.Syntax, 1, "not closed" },
        { "a.prompty", "---\ntemplate: mustache\n---\nuser:\nHi\n", PromptFileError.Format, 2, "write jinja2" },
        { "a.prompty", "user:\nHi\n{% for m in talk %}\n{{m.role}}:\n{{m.content}}\n{% endfor %}", PromptFileError.Template, 4,
            "kind 'thread'" },
        { "a.prompty", "---\nname: ${env:KOTONOHA_SECRET}\n---\nuser:\nHi\n", PromptFileError.Environment, 2,
            "--allow-env KOTONOHA_SECRET" },
        { "agent.yaml", Agent + "model:\n  id: =Env.KOTONOHA_SECRET\n", PromptFileError.Environment, 4, "not allowed" },
        { "agent.yaml", Agent + "outputSchema:\n  properties:\n    a: { type: strin }\n", PromptFileError.Schema, 5,
            "no type of JSON" },
        { "agent.yaml", Agent + "outputSchema:\n  type: object\n  properties:\n    a: { pattern: '(' }\n", PromptFileError.Schema, 4,
            "output schema is invalid" },
        { "agent.yaml", Agent + "model:\n  options:\n    temperature: hot\n", PromptFileError.Content, 5, "must be a number" },
        { "agent.yaml", Agent + "tools:\n- kind: mcp\n  name: files\n", PromptFileError.Tool, 4, "of the kind 'mcp'" },
        { "a.yaml", "template: x\nmessages:\n- { role: user, content: y }\n", PromptFileError.Content, 3,
            "both 'template' and 'messages'" },
        { "a.yaml", "template: x\ninput_variables:\n- name: a\n  json_schema: { type: integer }\n  default: many\n",
            PromptFileError.Content, 5, "default does not fit" },
        { "s/SKILL.md", "---\nname: s\n---\nDo.\n", PromptFileError.Content, 2, "no 'description'" },
        { "s/SKILL.md", "---\nname: Other Name\ndescription: d\n---\nDo.\n", PromptFileError.Content, 2, "rules of skills" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Files))]
    public void A_broken_file_names_its_line_and_what_to_do(string name, string text, PromptFileError error, int? line, string says)
    {
        var path = _folder.Write(name, text);
        var exception = Assert.Throws<PromptFileException>(() => PromptFile.Load(path));
        Assert.Contains(says, exception.Message, StringComparison.Ordinal);
        Assert.Equal((error, line), (exception.Error, exception.Line));
        Assert.StartsWith(line is null ? $"{path}: " : $"{path}, line {line}: ", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", PromptFileError.MissingInput, "'count', 'text'")]
    [InlineData("count=3;text=x;coutn=3", PromptFileError.UnknownInput, "no input 'coutn'; it has 'count', 'text'")]
    [InlineData("count=many;text=x", PromptFileError.InputType, "'count' is a whole number, and 'many' was given")]
    public async Task Wrong_values_name_the_input(string inputs, PromptFileError error, string says)
    {
        var prompt = PromptFile.Load(_folder.Write("a.yaml", """
            template: '{{$count}} {{$text}}'
            input_variables:
            - { name: count, json_schema: { type: integer } }
            - { name: text }
            """));
        var exception = await Assert.ThrowsAsync<PromptFileException>(() => prompt.RenderAsync(
            inputs.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('='))
                .ToDictionary(pair => pair[0], pair => (object?)prompt.ParseInput(pair[0], pair[1]))));
        Assert.Equal(error, exception.Error);
        Assert.Contains(says, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_template_that_fails_on_a_value_says_where()
    {
        var prompt = PromptFile.Load(_folder.Write("a.prompty", "---\nname: x\n---\nuser:\n{{ 1 + text }}\n"));
        var exception = await Assert.ThrowsAsync<PromptFileException>(
            () => prompt.RenderAsync(new Dictionary<string, object?> { ["text"] = "x" }));
        Assert.Equal((PromptFileError.Template, 5), (exception.Error, exception.Line));
    }

    [Theory]
    [InlineData("models: { a: here }\n", "b", "the model 'b' is not in this file; it has 'a'.")]
    [InlineData("models: { a: here }\n", null, "no 'default'")]
    [InlineData("default: c\nmodels: { a: here }\n", "a", "line 1: the default model 'c'")]
    [InlineData("models:\n  a: { endpoint: 'http://x/v1' }\n", "a", "line 2: the endpoint of 'a' needs a 'model'")]
    [InlineData("models:\n  a: { path: x, hub: y/z }\n", "a", "one of 'path', 'hub' and 'endpoint'")]
    [InlineData("models:\n  a: { endpoint: 'http://x/v1', model: m, api_key: secret }\n", "a", "api_key_env")]
    [InlineData("models:\n  a: { path: x, devise: gpu }\n", "a", "'devise' is not used")]
    public void A_model_that_is_not_there_is_told(string text, string? model, string says)
    {
        var path = _folder.Write("models.yaml", text);
        var exception = Assert.Throws<PromptFileException>(() =>
        {
            using var catalog = ModelCatalog.Load(path, _ => new ScriptedChatClient());
            catalog.GetChatClient(model);
        });
        Assert.StartsWith(path, exception.Message, StringComparison.Ordinal);
        Assert.Contains(says, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Hostile_yaml_ends_in_an_error_and_not_in_a_crash()
    {
        var deep = new string('[', 100_000);
        Assert.Equal(PromptFileError.Syntax, Assert.Throws<PromptFileException>(() => Load($"template: {deep}")).Error);
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + string.Concat(Enumerable.Range(1, 8)
            .Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n"));
        Assert.Equal(PromptFileError.Syntax, Assert.Throws<PromptFileException>(
            () => Load(bomb + "template: x\nexecution_settings: { default: { extra: *a8 } }\n")).Error);
        Assert.Equal(PromptFileError.File,
            Assert.Throws<PromptFileException>(() => Load("template: " + new string('x', 2 << 20))).Error);

        PromptFile Load(string text) => PromptFile.Load(_folder.Write("hostile.yaml", text));
    }
}
