using System.Text.Json;
using Kotonoha.ChatTemplates.Tools;

namespace Kotonoha.ChatTemplates.Tests;

/// <summary>Function calls in the forms that templates give them: what is learnt from a template, and how answers are read.</summary>
public class ToolCallTests
{
    private const string Tools = """
        [{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters":
          {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}, "days": {"type": "array", "items": {"type": "integer"}}}, "required": ["city"]}}}]
        """;

    // Own templates in the forms of well-known models.
    private const string Hermes = """
        {%- if tools %}{{- '<|im_start|>system\n<tools>' }}{% for tool in tools %}{{- '\n' + (tool | tojson) }}{% endfor %}{{- '</tools><|im_end|>\n' }}{% endif %}
        {%- for message in messages %}
        {%- if message.role == 'tool' %}{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
        {%- else %}{{- '<|im_start|>' + message.role + '\n' + (message.content or '') }}
        {%- for call in message.tool_calls or [] %}{%- if not loop.first or message.content %}{{- '\n' }}{% endif %}
        {{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}\n</tool_call>' }}{% endfor %}
        {{- '<|im_end|>\n' }}{% endif %}{% endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}
        """;

    private const string Llama = """
        {{- bos_token }}{%- if tools %}{{- 'Functions: ' + (tools | tojson) + '<|python_tag|>'[:0] }}{% endif %}
        {%- for message in messages %}{{- '<|start|>' + message.role + '<|end_header|>\n\n' }}
        {%- if message.tool_calls %}{%- if message.tool_calls | length != 1 %}{{- raise_exception('one call at a time') }}{% endif %}
        {%- set call = message.tool_calls[0].function %}{{- '{"name": "' + call.name + '", "parameters": ' + (call.arguments | tojson) + '}' }}
        {%- else %}{{- message.content }}{% endif %}{{- '<|eot|>' }}{% endfor %}
        {%- if add_generation_prompt %}{{- '<|start|>assistant<|end_header|>\n\n' }}{% endif %}
        """;

    private const string Mistral = """
        {{- bos_token }}{% for message in messages %}{% if message.role == 'user' %}
        {%- if tools and loop.last %}{{- '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{% endif %}{{- '[INST]' + message.content + '[/INST]' }}
        {%- elif message.tool_calls %}{{- '[TOOL_CALLS][' }}{% for call in message.tool_calls %}
        {%- if call.id | length != 9 %}{{- raise_exception('ids have 9 characters') }}{% endif %}
        {{- '{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + ', "id": "' + call.id + '"}' }}
        {%- if not loop.last %}{{- ', ' }}{% endif %}{% endfor %}{{- ']' + eos_token }}
        {%- else %}{{- message.content + eos_token }}{% endif %}{% endfor %}
        """;

    private const string Named = """
        {%- if tools %}{{- tools | tojson }}{% endif %}{% for message in messages %}{% if message.role == 'user' %}{{- '[INST]' + message.content + '[/INST]' }}
        {%- else %}{{- message.content }}{% for call in message.tool_calls or [] %}
        {{- '[TOOL_CALLS]' + call.function.name + '[ARGS]' + (call.function.arguments | tojson) }}{% endfor %}{{- eos_token }}{% endif %}{% endfor %}
        """;

    private const string OpenedReasoning = """
        {%- if tools %}{{- tools | tojson }}{% endif %}{% for message in messages %}{{- '<|' + message.role + '|>' }}
        {%- for call in message.tool_calls or [] %}{{- '<|calls|>' + call.function.name + '<|sep|>' + call.function.arguments + '<|calls_end|>' }}{% endfor %}
        {%- if message.content %}{{- message.content.split('</think>')[-1] }}{% endif %}{{- '<|eos|>' }}{% endfor %}
        {%- if add_generation_prompt %}{{- '<|assistant|><think>\n' }}{% endif %}
        """;

    private const string Tagged = """
        {%- if tools %}{{- '<|im_start|>system\n<tools>' }}{% for tool in tools %}{{- '\n<function>\n<name>' + tool.function.name + '</name>\n</function>' }}{% endfor %}{{- '</tools><|im_end|>\n' }}{% endif %}
        {%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' + (message.content or '') }}
        {%- for call in message.tool_calls or [] %}{{- '\n<tool_call>\n<function=' + call.function.name + '>\n' }}
        {%- for name, value in call.function.arguments | items %}{{- '<parameter=' + name + '>\n' }}
        {%- if value is string %}{{- value }}{% elif value is mapping or value is iterable %}{{- value | tojson }}{% else %}{{- value | string }}{% endif %}
        {{- '\n</parameter>\n' }}{% endfor %}{{- '</function>\n</tool_call>' }}{% endfor %}{{- '<|im_end|>\n' }}{% endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}
        """;

    private const string PythonCalls = """
        {%- if tools %}{{- 'Functions: ' + (tools | tojson) }}{% endif %}{% for message in messages %}{{- '<|im_start|>' + message.role + '\n' + (message.content or '') }}
        {%- if message.tool_calls %}{{- 'MARK[' }}{% for call in message.tool_calls %}{{- call.function.name + '(' }}
        {%- for name, value in call.function.arguments | items %}{{- name + '=' + (value | tojson) }}{% if not loop.last %}{{- ', ' }}{% endif %}{% endfor %}
        {{- ')' }}{% if not loop.last %}{{- ', ' }}{% endif %}{% endfor %}{{- ']ENDS' }}{% endif %}{{- '<|im_end|>\n' }}{% endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}
        """;

    private static readonly string Python = PythonCalls.Replace("MARK", "").Replace("ENDS", "");
    private static readonly string MarkedPython = PythonCalls.Replace("MARK", "<|tool_call_start|>").Replace("ENDS", "<|tool_call_end|>");

    public static TheoryData<string, string, string, string?, string, string> Forms => new()
    {
        { Hermes, "<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>\n<tool_call>\n{\"name\": \"", "}\n</tool_call>",
            "<tool_call>" },
        { Llama, "{\"name\": \"", "\", \"parameters\": ", null, "}", "" },
        { Mistral, "[TOOL_CALLS][{\"name\": \"", "\", \"arguments\": ", ", \"id\": \"\0\"}, {\"name\": \"", ", \"id\": \"\0\"}]",
            "[TOOL_CALLS]" },
        { Named, "[TOOL_CALLS]", "[ARGS]", "[TOOL_CALLS]", "", "[TOOL_CALLS]" },
        { Tagged, "<tool_call>\n<function=", ">\n", "</function>\n</tool_call>\n<tool_call>\n<function=", "</function>\n</tool_call>",
            "<tool_call>" },
        { Python, "[", "(", "), ", ")]", "" },
        { MarkedPython, "<|tool_call_start|>[", "(", "), ", ")]<|tool_call_end|>", "<|tool_call_start|>" },
        { OpenedReasoning, "<|calls|>", "<|sep|>", "<|calls_end|><|calls|>", "<|calls_end|>", "<|calls|>" },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_form_of_calls_is_learnt_from_the_template(
        string jinja, string open, string middle, string? between, string close, string trigger)
    {
        var format = Template(jinja).ToolCalls!;
        Assert.Equal((open, middle, between, close, trigger), (format.Open, format.Middle, format.Between, format.Close, format.Trigger));
        Assert.Equal(jinja == OpenedReasoning, format.TakesArgumentsAsText);
        Assert.Equal(jinja == Llama ? "<|python_tag|>" : null, format.AlternateTrigger);
    }

    [Fact]
    public void Templates_without_functions_or_with_calls_of_an_unknown_shape_have_no_form_of_their_own()
    {
        Assert.Null(ChatTemplate.Kotonoha.ToolCalls);
        Assert.Null(Template("{% for m in messages %}{{ m.content }}{% endfor %}{{ tools }}").ToolCalls);
        Assert.Null(Template("{{ tools }}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}[{{ c.function.name }}(x=1)]{% "
            + "endfor %}{% endfor %}").ToolCalls);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void What_the_template_writes_is_read_again_however_it_is_cut(
        string jinja, string open, string middle, string? between, string close, string trigger)
    {
        _ = (open, middle, close, trigger);
        var format = Template(jinja).ToolCalls!;
        var calls = new List<ChatToolCall> { Call("get_weather", """{"city": "Zürich \"}{<", "days": [1, 2]}""", "abcdefgh1") };
        if (between is not null)
            calls.Add(Call("f", "{}", "abcdefgh2"));
        foreach (string before in (string[])["", "I look that up.\n\n"])
        {
            if (before.Length > 0 && format.Trigger.Length == 0)
                continue;
            var text = before + format.Write(calls);
            for (int size = 1; size <= text.Length; size++)
            {
                var parts = ReadInPieces(
                    new AnswerReader(format, isFunction: name => name is "get_weather" or "f", parametersOf: Parameters), text, size);
                Assert.Equal(before.TrimEnd(), Joined(parts, AnswerPartKind.Text));
                Assert.Equal(
                    calls.Select(c => (c.Name, JsonSerializer.Serialize(c.Arguments), format.HasIds ? c.Id : null)),
                    parts.SelectMany(p => p.Calls).Select(c => (c.Name, JsonSerializer.Serialize(c.Arguments), c.Id)));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Calls_that_are_cut_off_anywhere_give_no_words_but_the_start_of_a_mark(
        string jinja, string open, string middle, string? between, string close, string trigger)
    {
        _ = (open, middle, close);
        var format = Template(jinja).ToolCalls!;
        var call = Call("get_weather", """{"city": "Zug"}""", "abcdefgh1");
        var text = format.Write(between is null ? [call] : [call, call]);
        for (int length = Math.Max(trigger.Length, format.Open.Length + call.Name.Length + 1); length < text.Length; length++)
        {
            var parts = ReadInPieces(new AnswerReader(format, isFunction: name => name == "get_weather"), text[..length], 5);
            Assert.StartsWith(Joined(parts, AnswerPartKind.Text).Trim(), trigger);
            Assert.Contains(parts, p => p.Kind != AnswerPartKind.Text);
        }
    }

    [Fact]
    public void Arguments_that_stand_one_by_one_are_learnt_from_the_template_and_written_like_it()
    {
        var tagged = Template(Tagged).ToolCalls!.Pairs!;
        Assert.Equal(("<parameter=", ">\n", "\n</parameter>\n", ""),
            (tagged.BeforeKey, tagged.AfterKey, tagged.AfterValue, tagged.Separator));
        var python = Template(Python).ToolCalls!.Pairs!;
        Assert.Equal(("", "=", "", ", "), (python.BeforeKey, python.AfterKey, python.AfterValue, python.Separator));
        Assert.Equal((false, true), (tagged.AreLiterals, python.AreLiterals));
        List<ChatToolCall> calls = [Call("get_weather", """{"city": "Zürich", "unit": "c", "days": [1, 2]}""", "1"), Call("f", "{}", "2")];
        foreach (var jinja in (string[])[Tagged, Python, MarkedPython])
        {
            var template = Template(jinja);
            var rendered = template.RenderText(
                [new ChatTurn(ChatTurn.User, "a"), new ChatTurn(ChatTurn.Assistant, "") { ToolCalls = calls }], addGenerationPrompt: false);
            Assert.Contains(template.ToolCalls!.Write(calls), rendered);
        }
    }

    [Theory]
    [InlineData("Zug", "\"Zug\"")]
    [InlineData("5", "\"5\"")]
    [InlineData("None", "\"None\"")]
    [InlineData("two\nlines <b>", "\"two\\nlines \\u003Cb\\u003E\"")]
    public void Bare_strings_stay_strings_and_other_values_are_read_by_the_schema(string city, string json)
    {
        var text = $"<tool_call>\n<function=get_weather>\n<parameter=city>\n{city}\n</parameter>\n<parameter=days>\n[1, 2]\n</parameter>\n"
            + "<parameter=sure>\nTrue\n</parameter>\n</function>\n</tool_call>";
        var call = Template(Tagged).ToolCalls!.Read(text, out int end, Parameters).Single();
        Assert.Equal(text.Length, end);
        Assert.Equal($$"""{"city":{{json}},"days":[1,2],"sure":true}""", JsonSerializer.Serialize(call.Arguments));
    }

    [Theory]
    [InlineData("""[get_weather(city='Z"u\'g', days=[1, -2.5], more={"a": None, 'b': (True, false)})]""",
        """{"city":"Z\u0022u\u0027g","days":[1,-2.5],"more":{"a":null,"b":[true,false]}}""")]
    [InlineData("[get_weather( city = \"\\u005a\\n\" , )]", null)]
    [InlineData("[get_weather(city=Zug)]", null)]
    [InlineData("[get_weather(city=\"a\", city=\"b\")]", null)]
    [InlineData("[get_weather()]", "{}")]
    public void Literals_of_Python_are_read(string text, string? json)
    {
        var calls = Template(Python).ToolCalls!.Read(text, out _);
        Assert.Equal(json, calls.Count == 0 ? null : JsonSerializer.Serialize(calls.Single().Arguments));
    }

    [Fact]
    public void Words_in_brackets_are_no_calls()
    {
        AnswerReader Reader() => new(Template(Python).ToolCalls!, isFunction: name => name == "get_weather");
        Assert.Equal("[sic] and so on", Joined(ReadInPieces(Reader(), "[sic] and so on", 3), AnswerPartKind.Text));
        Assert.Equal("[get_weather(city=", Joined(ReadInPieces(Reader(), "[get_weather(city=", 3), AnswerPartKind.UnreadableCall));
    }

    [Theory]
    [InlineData("<think>a < b</think>\n\nYes <tool> no", "a < b", "Yes <tool> no")]
    [InlineData("\n<think>cut off", "cut off", "")]
    [InlineData("No <think>here</think>.", "", "No <think>here</think>.")]
    [InlineData("<thin air>", "", "<thin air>")]
    [InlineData("  spaces stay", "", "  spaces stay")]
    [InlineData("ends with a mark <tool_", "", "ends with a mark <tool_")]
    [InlineData("", "", "")]
    public void Reasoning_and_words_are_told_apart_however_they_are_cut(string text, string reasoning, string words)
    {
        for (int size = 1; size <= Math.Max(text.Length, 1); size++)
        {
            var parts = ReadInPieces(new AnswerReader(ToolCallFormat.General), text, size);
            Assert.Equal((reasoning, words), (Joined(parts, AnswerPartKind.Reasoning), Joined(parts, AnswerPartKind.Text)));
        }
    }

    [Fact]
    public void Reasoning_that_the_prompt_has_opened_needs_no_mark()
    {
        var parts = ReadInPieces(new AnswerReader(null, startsInReasoning: true), "so it is\n</think>\nIt is.", 3);
        Assert.Equal(("so it is\n", "It is."), (Joined(parts, AnswerPartKind.Reasoning), Joined(parts, AnswerPartKind.Text)));
    }

    [Theory]
    [InlineData("""<tool_call>{"name": "get_weather", "argu""")]
    [InlineData("""<tool_call>{"name": "get_weather"}</tool_call>""")]
    [InlineData("""<tool_call>get_weather(city="Zug")</tool_call>""")]
    [InlineData("<tool_call>")]
    public void A_call_that_cannot_be_read_is_no_text(string text)
    {
        for (int size = 1; size <= text.Length; size++)
        {
            var parts = ReadInPieces(new AnswerReader(ToolCallFormat.General), "Well. " + text, size);
            Assert.Equal(("Well.", text), (Joined(parts, AnswerPartKind.Text), Joined(parts, AnswerPartKind.UnreadableCall)));
            Assert.DoesNotContain(parts, p => p.Calls.Count > 0);
        }
    }

    [Fact]
    public void An_answer_in_JSON_is_a_call_only_where_it_names_a_function()
    {
        var format = Template(Llama).ToolCalls!;
        AnswerReader Reader() => new(format, isFunction: name => name == "get_weather");
        const string Json = """{"name": "Ada", "parameters": {"born": 1815}}""";
        Assert.Equal(Json, Joined(ReadInPieces(Reader(), Json, 4), AnswerPartKind.Text));
        Assert.Equal("""{"name": "get_weather"}""", Joined(ReadInPieces(Reader(), """{"name": "get_weather"}""", 4), AnswerPartKind.Text));
        Assert.Equal("""{"name": "get_wea""", Joined(ReadInPieces(Reader(), """{"name": "get_wea""", 4), AnswerPartKind.UnreadableCall));
        Assert.Equal("get_weather",
            ReadInPieces(Reader(), """{ "name" : "get_weather", "parameters" : {"city": "Zug"}}""", 5).SelectMany(p => p.Calls)
                .Single().Name);
        Assert.Equal("get_weather",
            ReadInPieces(Reader(), """<|python_tag|>{"name": "get_weather", "parameters": {"city": "Zug"}}""", 5).SelectMany(p => p.Calls)
                .Single().Name);
    }

    [Fact]
    public void Models_that_leave_out_blanks_or_write_arguments_as_text_are_understood()
    {
        var format = Template(Hermes).ToolCalls!;
        var parts =
            ReadInPieces(new AnswerReader(format),
                """<tool_call>{"name":"get_weather","arguments":"{\"city\":\"Zug\"}"}</tool_call>  <tool_call> {"name": "f", "parameters": {}} </tool_call> ok""", 7);
        Assert.Equal(["get_weather", "f"], parts.SelectMany(p => p.Calls).Select(c => c.Name));
        Assert.Equal("Zug", parts.SelectMany(p => p.Calls).First().Arguments.GetProperty("city").GetString());
        Assert.Equal("ok", Joined(parts, AnswerPartKind.Text).Trim());
    }

    [Fact]
    public void Templates_without_functions_get_them_as_messages()
    {
        using var tools = JsonDocument.Parse(Tools);
        var turns = ToolPrompt.Inline(
            [
                new ChatTurn(ChatTurn.System, "Be brief."),
                new ChatTurn(ChatTurn.User, "Weather?"),
                new ChatTurn(ChatTurn.Assistant,
                    "") { ToolCalls = [Call("get_weather", """{"city":"Zug"}""", "1"), Call("get_weather", """{"city":"Ulm"}""", "2")] },
                new ChatTurn(ChatTurn.Tool, "sunny") { ToolCallId = "1" },
                new ChatTurn(ChatTurn.Tool, "rain") { ToolCallId = "2" },
            ],
            tools.RootElement);
        Assert.Equal(
            """
            <|system|>Be brief.

            You can call functions. To call one, write only
            <tool_call>{"name": "NAME", "arguments": {…}}</tool_call>
            Functions:
            get_weather(city: string, unit?: "c" | "f", days?: integer[]) - The weather of a city.<|end|><|user|>Weather?<|end|><|assistant|><tool_call>{"name": "get_weather", "arguments": {"city": "Zug"}}</tool_call><tool_call>{"name": "get_weather", "arguments": {"city": "Ulm"}}</tool_call><|end|><|user|><tool_response>sunny</tool_response>
            <tool_response>rain</tool_response><|end|>
            """.ReplaceLineEndings("\n"),
            ChatTemplate.Kotonoha.RenderText(turns, addGenerationPrompt: false));
    }

    private static ChatTemplate Template(string jinja) => ChatTemplate.FromJinja(
        jinja, new SpecialTokens("<s>", "</s>"),
        ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot|>", "<|eos|>", "[TOOL_CALLS]", "[INST]", "[/INST]"]);

    private static JsonElement? Parameters(string name) => name == "get_weather"
        ? JsonDocument.Parse("""
            {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "array"}, "sure": {"type": "boolean"}}}
            """).RootElement
        : null;

    private static ChatToolCall Call(string name, string arguments, string id)
    {
        using var json = JsonDocument.Parse(arguments);
        return new ChatToolCall(name, json.RootElement.Clone(), id);
    }

    private static List<AnswerPart> ReadInPieces(AnswerReader reader, string text, int size)
    {
        var parts = new List<AnswerPart>();
        for (int at = 0; at < text.Length; at += size)
            parts.AddRange(reader.Append(text.Substring(at, Math.Min(size, text.Length - at))));
        parts.AddRange(reader.Complete());
        return parts;
    }

    private static string Joined(IEnumerable<AnswerPart> parts, AnswerPartKind kind)
        => string.Concat(parts.Where(p => p.Kind == kind).Select(p => p.Text));
}
