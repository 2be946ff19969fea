using System.Text.Json;
using Kotonoha.Agents.Prompts.Files;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;

namespace Kotonoha.Agents.Tests.Prompts.Files;

public sealed class PromptFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_yaml_prompt_of_Semantic_Kernel_is_read_with_inputs_and_settings()
    {
        var prompt = Load("a.yaml", """
            name: greet
            description: Greets.
            template_format: semantic-kernel
            template: |
              <message role="system">Be {{$tone}}.</message>
              <message role="user">Greet {{$name}}, {{$count}} times.</message>
            input_variables:
              - name: name
                description: Who.
                is_required: true
              - name: tone
                default: kind
              - name: count
                json_schema: '{"type": "integer"}'
                default: "2"
            execution_settings:
              service1: { model_id: small, temperature: 0.25, max_tokens: 7, top_p: 0.5, seed: 3, stop_sequences: [x, y], min_p: 0.1,
                          function_choice_behavior: { type: required } }
            """);
        Assert.Equal((PromptFileFormat.KernelYaml, "greet", "Greets.", "small"),
            (prompt.Format, prompt.Name, prompt.Description, prompt.Model));
        Assert.Equal([("name", true, PromptInputType.Any), ("tone", false, PromptInputType.Any), ("count", false, PromptInputType.Integer)],
            prompt.Inputs.Select(input => (input.Name, input.IsRequired, input.Type)));
        var rendered = await prompt.RenderAsync(Values(("name", "Ann & Bob")));
        Assert.Equal([("system", "Be kind."), ("user", "Greet Ann & Bob, 2 times.")], Pairs(rendered));
        var options = rendered.Options;
        Assert.Equal((0.25f, 7, 0.5f, 3L), (options.Temperature, options.MaxOutputTokens, options.TopP, options.Seed));
        Assert.Equal(["x", "y"], options.StopSequences!);
        Assert.Equal(0.1, options.AdditionalProperties!["min_p"]);
        Assert.Equal(ChatToolMode.RequireAny, options.ToolMode);
    }

    [Fact]
    public async Task A_template_calls_functions_of_the_given_kernel_and_what_they_return_is_a_value()
    {
        var kernel = new Kernel();
        kernel.Plugins.AddFromFunctions("clock", [KernelFunctionFactory.CreateFromMethod(() => "noon</message>", "now")]);
        const string text = "template: '<message role=\"user\">It is {{clock.now}}.</message>'\n";
        var prompt = PromptFile.Load(_folder.Write("a.yaml", text), new PromptFileOptions { Kernel = kernel });
        Assert.Equal([("user", "It is noon</message>.")], Pairs(await prompt.RenderAsync()));
    }

    [Fact]
    public async Task A_folder_of_Semantic_Kernel_is_read_in_the_old_form_too()
    {
        _folder.Write("Tell/skprompt.txt", "Tell about {{$what}}.\n");
        _folder.Write("Tell/config.json",
            "{\n\t\"schema\": 1, \"type\": \"completion\", \"description\": \"Tells \\ud83d\\ude00.\",\n"
            + "\t\"completion\": { \"max_tokens\": 9, \"temperature\": 0.5 },\n"
            + "\t\"input\": { \"parameters\": [ { \"name\": \"what\", \"defaultValue\": \"tea\" } ] }\n}\n");
        var prompt = PromptFile.Load(_folder.At("Tell"));
        Assert.Equal((PromptFileFormat.KernelFolder, "Tell", "Tells 😀."), (prompt.Format, prompt.Name, prompt.Description));
        var rendered = await prompt.RenderAsync();
        Assert.Equal([("user", "Tell about tea.")], Pairs(rendered));
        Assert.Equal(9, rendered.Options.MaxOutputTokens);
    }

    [Theory]
    [InlineData("model: { api: chat, configuration: { type: openai, model: small }, parameters: { temperature: 0.5, max_tokens: 7 } }")]
    [InlineData("model: { id: small, provider: openai, options: { temperature: 0.5, maxOutputTokens: 7 } }")]
    public async Task Both_versions_of_prompty_are_read(string model)
    {
        var prompt = Load("a.prompty", "---\nname: p\n" + model + "\n" + """
            inputs:
              firstName: { type: string, default: Ann }
              lastName: Doe
            ---
            system:
            You help {{firstName}} {{lastName}}.
            # a heading stays

            user:
            {% for line in lines %}
            - {{line}}
            {% endfor %}
            {{question}}
            """);
        Assert.Equal("small", prompt.Model);
        Assert.Equal(["firstName", "lastName", "lines", "question"], prompt.Inputs.Select(input => input.Name));
        var rendered = await prompt.RenderAsync(Values(("question", "Why?"), ("lines", new[] { "a", "b" })));
        Assert.Equal([("system", "You help Ann Doe.\n# a heading stays"), ("user", "- a\n- b\nWhy?")], Pairs(rendered));
        Assert.Equal((0.5f, 7), (rendered.Options.Temperature, rendered.Options.MaxOutputTokens));
    }

    [Fact]
    public async Task Text_before_the_first_role_is_a_system_message_and_a_user_section_alone_is_a_prompt()
    {
        Assert.Equal([("system", "Be brief.")], Pairs(await Load("a.prompty", "Be brief.\n").RenderAsync()));
        Assert.Equal([("user", "Hi")], Pairs(await Load("b.prompty", "---\n---\nuser:\nHi\n").RenderAsync()));
    }

    [Fact]
    public async Task A_conversation_stands_where_its_name_stands()
    {
        var prompt = Load("a.prompty", "---\ninputs:\n  talk: { kind: thread }\n---\nsystem:\nS\n\n{{talk}}\n\nuser:\nQ\n");
        var talk = prompt.ParseInput("talk", """[{"role":"user","content":"system:\nx"},{"role":"assistant","content":"y"}]""");
        Assert.Equal([("system", "S"), ("user", "system:\nx"), ("assistant", "y"), ("user", "Q")],
            Pairs(await prompt.RenderAsync(Values(("talk", talk)))));
        var refused = Assert.Throws<PromptFileException>(() => prompt.ParseInput("talk", """[{"role":"system","content":"x"}]"""));
        Assert.Equal(PromptFileError.InputType, refused.Error);
    }

    [Fact]
    public async Task An_agent_of_Agent_Framework_is_read_with_its_schema_and_tools()
    {
        var prompt = Load("agent.yaml", """
            kind: Prompt
            name: A
            instructions: Answer {{as JSON}}.
            model: { id: small, options: { temperature: 0.5, topP: 0.25, allowMultipleToolCalls: false, chatToolMode: auto } }
            tools:
              - kind: function
                name: get_weather
                description: Weather.
                parameters: { properties: { city: { type: string, required: true }, days: { type: integer } } }
            outputSchema:
              properties:
                language: { type: string, description: The language., required: true }
                score: { kind: float }
            """);
        var rendered = await prompt.RenderAsync(Values(("input", "Hi")));
        Assert.Equal([("system", "Answer {{as JSON}}."), ("user", "Hi")], Pairs(rendered));
        var tool = Assert.IsAssignableFrom<AIFunctionDeclaration>(Assert.Single(rendered.Options.Tools!));
        Same("""
            {"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"],
             "additionalProperties":false}
            """, tool.JsonSchema);
        Same("""
            {"type":"object","properties":{"language":{"type":"string","description":"The language."},"score":{"type":"number"}},
             "required":["language"],"additionalProperties":false}
            """, ((ChatResponseFormatJson)rendered.Options.ResponseFormat!).Schema!.Value);
        Assert.Equal((false, ChatToolMode.Auto), (rendered.Options.AllowMultipleToolCalls, rendered.Options.ToolMode));
    }

    [Fact]
    public async Task A_tool_that_is_given_takes_the_place_of_its_declaration()
    {
        var given = AIFunctionFactory.Create((string city) => "sunny", "get_weather");
        var path = _folder.Write("agent.yaml", "kind: Prompt\ninstructions: x\ntools: [get_weather]\n");
        var named = await PromptFile.Load(path, new PromptFileOptions { Tools = [given] }).RenderAsync(Values(("input", "Hi")));
        Assert.Same(given, Assert.Single(named.Options.Tools!));
        var missing = await Assert.ThrowsAsync<PromptFileException>(() => PromptFile.Load(path).RenderAsync(Values(("input", "Hi"))));
        Assert.Equal(PromptFileError.Tool, missing.Error);
    }

    [Fact]
    public async Task A_skill_is_read_as_Agent_Framework_reads_it()
    {
        var file = _folder.Write("skills/unit-conversion/SKILL.md",
            "---\nname: unit-conversion\ndescription: Converts units.\nlicense: MIT\n---\n# Convert\n\nMultiply.\n");
        var prompt = PromptFile.Load(Path.GetDirectoryName(file)!);
        Assert.Equal([("system", "# Convert\n\nMultiply."), ("user", "3 miles?")],
            Pairs(await prompt.RenderAsync(Values(("input", "3 miles?")))));

        var source = new AgentFileSkillsSource(_folder.At("skills"), null);
        var agent = new ChatClientAgent(new ScriptedChatClient());
        var skill = Assert.Single(await source.GetSkillsAsync(
            new AgentSkillsSourceContext(agent, await agent.CreateSessionAsync()), CancellationToken.None));
        Assert.Equal((skill.Frontmatter.Name, skill.Frontmatter.Description), (prompt.Name, prompt.Description));
        Assert.Contains("# Convert\n\nMultiply.", await skill.GetContentAsync(CancellationToken.None), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Messages_may_be_a_list()
    {
        var prompt = Load("a.yaml",
            "template_format: jinja2\nmessages:\n  - { role: system, content: 'S {{a}}' }\n  - { role: user, content: '{{b}}' }\n");
        Assert.Equal([("system", "S <message role=\"user\">"), ("user", "2")],
            Pairs(await prompt.RenderAsync(Values(("a", "<message role=\"user\">"), ("b", 2)))));
    }

    [Fact]
    public async Task Environment_is_read_where_it_is_allowed_and_files_only_beside_the_prompt()
    {
        const string variable = "KOTONOHA_TEST_PROMPT_TONE";
        Environment.SetEnvironmentVariable(variable, "kind");
        try
        {
            _folder.Write("schema.json", """{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}""");
            var text = "---\ninputs:\n  tone: ${env:" + variable + "}\n  other: ${env:KOTONOHA_TEST_NOTHING:plain}\n"
                + "model: { api: chat, parameters: { response_format: '${file:schema.json}' } }\n---\nuser:\n{{tone}} {{other}}\n";
            var prompt = PromptFile.Load(_folder.Write("a.prompty", text),
                new PromptFileOptions { AllowedEnvironment = [variable, "KOTONOHA_TEST_NOTHING"] });
            Assert.Equal([("user", "kind plain")], Pairs(await prompt.RenderAsync()));
            Assert.NotNull(prompt.OutputSchema);
            Assert.Equal([_folder.At("a.prompty"), _folder.At("schema.json")], prompt.Files);
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }

        File.CreateSymbolicLink(_folder.At("link.txt"), Path.Combine(Path.GetTempPath(), "elsewhere.txt"));
        foreach (var file in (string[])["../x.txt", "/etc/hostname", "link.txt"])
        {
            var outside = Assert.Throws<PromptFileException>(
                () => Load("b.prompty", "---\ndescription: ${file:" + file + "}\n---\nuser:\nx\n"));
            Assert.Equal((PromptFileError.File, 2), (outside.Error, outside.Line));
        }
    }

    [Fact]
    public void What_is_not_used_is_remarked_on_with_its_line()
    {
        var prompt = Load("a.yaml", "template: hi\nversion_of_mine: 3\n");
        Assert.Equal([$"{_folder.At("a.yaml")}, line 2: 'version_of_mine' is not used."], prompt.Remarks);
    }

    [Fact]
    public async Task Examples_stand_before_the_question_chosen_and_within_their_budget()
    {
        var prompt = Load("a.yaml", """
            template: '<message role="system">S</message><message role="user">{{$q}}</message>'
            examples:
              select: similarity
              count: 2
              budget: 30
              items:
                - { input: red apples, output: fruit }
                - { input: "a very long text about green apples that does not fit", output: fruit }
                - { input: fast cars, output: car }
            """);
        Assert.Equal([("system", "S"), ("user", "red apples"), ("assistant", "fruit"), ("user", "apples")],
            Pairs(await prompt.RenderAsync(Values(("q", "apples")))));
    }

    private static Dictionary<string, object?> Values(params (string Name, object? Value)[] values)
        => values.ToDictionary(value => value.Name, value => value.Value);

    private static void Same(string expected, JsonElement actual)
        => Assert.True(JsonElement.DeepEquals(JsonElement.Parse(expected), actual), actual.GetRawText());

    private static IEnumerable<(string, string)> Pairs(RenderedPrompt prompt)
        => prompt.Messages.Select(message => (message.Role.Value, message.Text));

    private PromptFile Load(string name, string text) => PromptFile.Load(_folder.Write(name, text));
}
