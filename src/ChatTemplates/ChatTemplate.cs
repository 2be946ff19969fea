using System.Text;
using System.Text.Json;
using Kotonoha.ChatTemplates.Jinja;
using Kotonoha.ChatTemplates.Tools;

namespace Kotonoha.ChatTemplates;

/// <summary>How a conversation becomes the text that a model continues.</summary>
/// <remarks>
/// A template is a Jinja text, most often one that came with the model; it is rendered as transformers renders it, in a sandbox: it sees
/// the conversation and nothing else, and its steps, memory, output and depth are bounded. Whichever it is, control tokens and message text
/// are never mixed up: what the conversation spells stays text. Instances are immutable and may be used from any thread.
/// </remarks>
public sealed class ChatTemplate
{
    // A word that no template writes by itself.
    private const string Probe = "kotonohaprobe";

    private readonly bool _isBuiltIn;
    private readonly Lazy<JinjaTemplate> _engine;
    private readonly Lazy<ToolCallFormat?> _toolCalls;
    private readonly SpecialTokens _tokens = new();

    // A built-in template. The text that is rendered here marks what the assistant says with generation blocks. The text that checkpoints
    // carry does not, because not every program that reads it knows such blocks.
    private ChatTemplate(string name, BuiltIn format)
    {
        Name = name;
        _isBuiltIn = true;
        Jinja = format.Jinja(marksAnswers: false);
        _engine = new Lazy<JinjaTemplate>(() => new JinjaTemplate(format.Jinja(marksAnswers: true)));
        _toolCalls = new Lazy<ToolCallFormat?>(() => null);
    }

    private ChatTemplate(string jinja, SpecialTokens? tokens, IReadOnlyList<string> controlTokens)
    {
        Name = "jinja";
        Jinja = jinja;
        _tokens = tokens ?? _tokens;
        var template = new JinjaTemplate(jinja);
        _engine = new Lazy<JinjaTemplate>(template);
        ControlTokens = controlTokens;
        EndTokens = FindEndTokens();
        _toolCalls =
            new Lazy<ToolCallFormat?>(
                () => ToolCallProbe.Find(this, [.. EndTokens, .. _tokens.Eos is { Length: > 0 } eos ? [eos] : Array.Empty<string>()]));
    }

    /// <summary>
    /// The template of models trained here: <c>&lt;|user|&gt;…&lt;|end|&gt;&lt;|assistant|&gt;…&lt;|end|&gt;</c>, one token before and one
    /// after each message.
    /// </summary>
    public static ChatTemplate Kotonoha { get; } = new("kotonoha", new BuiltIn
    {
        Check = "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
            + "{{ raise_exception('the role must be system, user or assistant, not ' + message['role']) }}{% endif %}",
        Header = "'<|' + message['role'] + '|>'",
        Message = "message['content'] + '<|end|>'",
        GenerationPrompt = "'<|assistant|>'",
    })
    {
        ControlTokens = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
        EndTokens = ["<|end|>", "<|endoftext|>"],
    };

    /// <summary>ChatML: <c>&lt;|im_start|&gt;user\n…&lt;|im_end|&gt;\n</c>.</summary>
    public static ChatTemplate ChatMl { get; } = new("chatml", new BuiltIn
    {
        Header = @"'<|im_start|>' + message['role'] + '\n'",
        Message = "message['content'] + '<|im_end|>'",
        Footer = @"'\n'",
        GenerationPrompt = @"'<|im_start|>assistant\n'",
    })
    {
        ControlTokens = ["<|im_start|>", "<|im_end|>"],
        EndTokens = ["<|im_end|>"],
    };

    /// <summary>
    /// Lines that begin with the role, for checkpoints without a template: <c>User: …\n\nAssistant:</c>. It has no control tokens, so
    /// nothing but the words keeps the roles apart, and generation also stops where the model begins a line of the user itself.
    /// </summary>
    public static ChatTemplate Plain { get; } = new("plain", new BuiltIn
    {
        Header = "message['role']|capitalize + ': '",
        Message = @"message['content'] + '\n\n'",
        GenerationPrompt = "'Assistant:'",
    })
    {
        StopStrings = ["\nUser:", "\nSystem:"],
        TrimsAnswerStart = true,
    };

    /// <summary>The name of the template.</summary>
    public string Name { get; }

    /// <summary>The template as a Jinja text for <c>tokenizer_config.json</c>.</summary>
    public string Jinja { get; }

    /// <summary>The control tokens that a tokenizer must have as added tokens.</summary>
    public IReadOnlyList<string> ControlTokens { get; private init; } = [];

    /// <summary>The control tokens that end the assistant's message.</summary>
    public IReadOnlyList<string> EndTokens { get; private init; } = [];

    /// <summary>Texts at which generation stops besides the end tokens.</summary>
    public IReadOnlyList<string> StopStrings { get; private init; } = [];

    /// <summary>Blanks at the start of an answer belong to the format, not to the answer.</summary>
    public bool TrimsAnswerStart { get; private init; }

    /// <summary>Whether the template uses the declarations of functions.</summary>
    public bool UsesTools => _engine.Value.Mentions("tools");

    /// <summary>
    /// How the template writes the functions that are called, learnt by rendering calls; null where it has no place for functions or writes
    /// calls in a form that is not understood. Conversations with functions then go through <see cref="ToolPrompt"/>, and calls have the
    /// form <see cref="ToolCallFormat.General"/>.
    /// </summary>
    public ToolCallFormat? ToolCalls => _toolCalls.Value;

    /// <summary>What the model writes around its reasoning, as far as the template says.</summary>
    public ReasoningTags ReasoningTags => ReasoningTags.Of(Jinja);

    /// <summary>Reads a template.</summary>
    /// <param name="jinja">The <c>chat_template</c> of a checkpoint.</param>
    /// <param name="tokens">The special tokens that the template sees (<c>bos_token</c> and the others); null for none.</param>
    /// <param name="controlTokens">
    /// The control tokens of the model, which <see cref="Render"/> tells apart from other text; null for none.
    /// </param>
    /// <exception cref="ChatTemplateException">The text is not a template, or is larger or deeper than allowed.</exception>
    public static ChatTemplate FromJinja(string jinja, SpecialTokens? tokens = null, IReadOnlyList<string>? controlTokens = null)
    {
        ArgumentNullException.ThrowIfNull(jinja);

        // Jinja drops one line end at the end of a template.
        var text = jinja.EndsWith('\n') ? jinja[..^1] : jinja;
        foreach (var template in (ChatTemplate[])[Kotonoha, ChatMl, Plain])
            if (template.Jinja == text)
                return template;
        return new ChatTemplate(jinja, tokens, controlTokens ?? []);
    }

    /// <summary>Renders a conversation as transformers' <c>apply_chat_template</c> does.</summary>
    /// <param name="input">The conversation.</param>
    /// <returns>The text, which can be encoded without mixing up control tokens and what the conversation spells.</returns>
    /// <exception cref="ChatTemplateException">
    /// The template refuses the conversation, fails on it or exceeds its limits; the error says which.
    /// </exception>
    public ChatPrompt Apply(ChatTemplateInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (_isBuiltIn && input.Turns?.FirstOrDefault(t => !HasPlaceFor(t)) is { } turn)
            throw new ChatTemplateException(
                $"The chat template '{Name}' has no place for a message of the role '{turn.Role}'"
                + $"{(turn.ToolCalls.Count > 0 ? " with function calls" : "")}; send system, user and assistant messages only.");
        var template = _engine.Value;
        if (input.ContinueFinalMessage is not null && input.AddGenerationPrompt)
            throw Fail.Conversation(
                "continue_final_message and add_generation_prompt are not compatible. "
                + "Use continue_final_message when you want the model to continue the final message, and add_generation_prompt when you "
                + "want "
                + "to add a header that will prompt it to start a new assistant message instead.");
        var final = input.ContinueFinalMessage is null ? null : new FinalMessage();
        var rendered = template.Render(
            run =>
            {
                var messages = ConversationVariables.Messages(input, run);
                run.Root.Set("messages", final?.Marked(messages, input.ContinueFinalMessage!, Jinja, run) ?? messages);
                run.Root.Set("tools", Optional(input.Tools, run));
                run.Root.Set("documents", Optional(input.Documents, run));
                run.Root.Set("add_generation_prompt", Numbers.Box(input.AddGenerationPrompt));
                SetToken(run, "bos_token", _tokens.Bos);
                SetToken(run, "eos_token", _tokens.Eos);
                SetToken(run, "unk_token", _tokens.Unknown);
                SetToken(run, "pad_token", _tokens.Pad);
                foreach (var (name, value) in input.Variables ?? new Dictionary<string, JsonElement>())
                    run.Root.Set(name, ConversationVariables.Value(value, isData: false, run));
            },
            () => input.Now ?? DateTime.Now);
        return new ChatPrompt(final?.Cut(rendered.Text) ?? rendered.Text, rendered.Generated, Jinja);
    }

    /// <summary>Renders a conversation piece by piece.</summary>
    /// <param name="turns">The messages, oldest first.</param>
    /// <param name="addGenerationPrompt">Ends with the beginning of the assistant's next message.</param>
    /// <exception cref="ChatTemplateException">The template has no place for a message.</exception>
    public IReadOnlyList<ChatSegment> Render(IEnumerable<ChatTurn> turns, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(turns);
        return Segments(Apply(new ChatTemplateInput { Turns = [.. turns], AddGenerationPrompt = addGenerationPrompt }));
    }

    /// <summary>Renders a conversation as one text, for showing and for comparing.</summary>
    /// <param name="turns">The messages, oldest first.</param>
    /// <param name="addGenerationPrompt">Ends with the beginning of the assistant's next message.</param>
    public string RenderText(IEnumerable<ChatTurn> turns, bool addGenerationPrompt)
    {
        var text = new StringBuilder();
        foreach (var segment in Render(turns, addGenerationPrompt))
            text.Append(segment.Text);
        return text.ToString();
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static object Optional(JsonElement? json, Rendering run)
        => json is { ValueKind: not (JsonValueKind.Undefined or JsonValueKind.Null) } value
            ? ConversationVariables.Value(value, isData: true, run)
            : PyNone.Value;

    private static void SetToken(Rendering run, string name, string? token)
    {
        if (token is not null)
            run.Root.Set(name, new PyString(token));
    }

    private static bool HasPlaceFor(ChatTurn turn)
        => turn.Role is ChatTurn.System or ChatTurn.User or ChatTurn.Assistant && turn.ToolCalls.Count == 0;

    private List<ChatSegment> Segments(ChatPrompt prompt)
    {
        var segments = new List<ChatSegment>();
        int at = 0;
        foreach (var (start, end) in prompt.WrittenTokens(ControlTokens))
        {
            Add(at, start, isControl: false);
            Add(start, end, isControl: true);
            at = end;
        }

        Add(at, prompt.Text.Length, isControl: false);
        return segments;

        // Pieces are cut where an answer begins and ends.
        void Add(int from, int to, bool isControl)
        {
            while (from < to)
            {
                var inside = prompt.Answers.FirstOrDefault(a => a.Start <= from && from < a.End);
                int end = isControl ? to
                    : inside.End > 0 ? Math.Min(to, inside.End)
                    : prompt.Answers.Select(a => a.Start).Where(start => start > from && start < to).DefaultIfEmpty(to).Min();
                segments.Add(new ChatSegment(prompt.Text[from..end], isControl, inside.End > 0));
                from = end;
            }
        }
    }

    // The control token that the template writes after what the assistant said.
    private List<string> FindEndTokens()
    {
        if (ControlTokens.Count == 0)
            return [];
        ChatPrompt prompt;
        try
        {
            prompt = Apply(new ChatTemplateInput { Turns = [new ChatTurn(ChatTurn.User, "a"), new ChatTurn(ChatTurn.Assistant, Probe)] });
        }
        catch (ChatTemplateException)
        {
            // It wants another kind of conversation; the model's own end tokens remain.
            return [];
        }

        int behind = prompt.Text.LastIndexOf(Probe, StringComparison.Ordinal);
        if (behind < 0)
            return [];
        behind += Probe.Length;
        foreach (var (start, end) in prompt.WrittenTokens(ControlTokens))
            if (start >= behind)
            {
                var token = prompt.Text[start..end];
                return prompt.Text.AsSpan(behind, start - behind).IsWhiteSpace() && token != _tokens.Bos ? [token] : [];
            }

        return [];
    }

    /// <summary>The format of a built-in template, by Jinja expressions.</summary>
    private sealed record BuiltIn
    {
        /// <summary>Statements before each message.</summary>
        public string Check { get; init; } = "";

        /// <summary>What comes before a message.</summary>
        public required string Header { get; init; }

        /// <summary>The message, and what the model writes to end it.</summary>
        public required string Message { get; init; }

        /// <summary>What comes after a message.</summary>
        public string? Footer { get; init; }

        /// <summary>The beginning of the assistant's message.</summary>
        public required string GenerationPrompt { get; init; }

        public string Jinja(bool marksAnswers)
        {
            var message = marksAnswers
                ? $"{{{{ {Header} }}}}{{% if message['role'] == 'assistant' %}}{{% generation %}}{{{{ {Message} }}}}{{% endgeneration %}}"
                    + $"{{% else %}}{{{{ {Message} }}}}{{% endif %}}{(Footer is null ? "" : $"{{{{ {Footer} }}}}")}"
                : $"{{{{ {Header} + {Message}{(Footer is null ? "" : " + " + Footer)} }}}}";
            return $"{{% for message in messages %}}{Check}{message}{{% endfor %}}"
                + $"{{% if add_generation_prompt %}}{{{{ {GenerationPrompt} }}}}{{% endif %}}";
        }
    }
}
