using System.Text;

namespace Kotonoha.LocalModel.Chat;

/// <summary>How a conversation becomes the text that a model continues.</summary>
/// <remarks>
/// A template is written into <c>tokenizer_config.json</c> as a Jinja text that any Hugging Face library renders to the same characters; here the
/// known ones are recognised by that text and rendered directly, piece by piece, so that control tokens and message text are never mixed up.
/// Instances are immutable and may be used from any thread.
/// </remarks>
public sealed class ChatTemplate
{
    private const string EndOfText = "<|endoftext|>";
    private const string EndOfTurn = "<|end|>";
    private const string ImStart = "<|im_start|>";
    private const string ImEnd = "<|im_end|>";

    private readonly Func<ChatTurn, IEnumerable<ChatSegment>> renderTurn;
    private readonly ChatSegment[] generationPrompt;

    private ChatTemplate(string name, string jinja, Func<ChatTurn, IEnumerable<ChatSegment>> renderTurn, ChatSegment[] generationPrompt)
    {
        Name = name;
        Jinja = jinja;
        this.renderTurn = renderTurn;
        this.generationPrompt = generationPrompt;
    }

    /// <summary>The template of models trained here: <c>&lt;|user|&gt;…&lt;|end|&gt;&lt;|assistant|&gt;…&lt;|end|&gt;</c>, one token before and one after each message.</summary>
    public static ChatTemplate Kotonoha { get; } = new(
        "kotonoha",
        "{% for message in messages %}{% if message['role'] not in ['system', 'user', 'assistant'] %}"
        + "{{ raise_exception('the role must be system, user or assistant, not ' + message['role']) }}{% endif %}"
        + "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
        turn =>
        [
            Control($"<|{turn.Role}|>"),
            new ChatSegment(turn.Content, IsControl: false, IsAnswer: turn.Role == ChatTurn.Assistant),
            new ChatSegment(EndOfTurn, IsControl: true, IsAnswer: turn.Role == ChatTurn.Assistant),
        ],
        [Control("<|assistant|>")])
    {
        ControlTokens = [EndOfText, "<|system|>", "<|user|>", "<|assistant|>", EndOfTurn],
        EndTokens = [EndOfTurn, EndOfText],
    };

    /// <summary>ChatML: <c>&lt;|im_start|&gt;user\n…&lt;|im_end|&gt;\n</c>.</summary>
    public static ChatTemplate ChatMl { get; } = new(
        "chatml",
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        turn =>
        [
            Control(ImStart),
            Words(turn.Role + "\n"),
            new ChatSegment(turn.Content, IsControl: false, IsAnswer: turn.Role == ChatTurn.Assistant),
            new ChatSegment(ImEnd, IsControl: true, IsAnswer: turn.Role == ChatTurn.Assistant),
            Words("\n"),
        ],
        [Control(ImStart), Words("assistant\n")])
    {
        ControlTokens = [ImStart, ImEnd],
        EndTokens = [ImEnd],
    };

    /// <summary>
    /// Lines that begin with the role, for checkpoints without a template: <c>User: …\n\nAssistant:</c>. It has no control tokens, so nothing but the
    /// words keeps the roles apart, and generation also stops where the model begins a line of the user itself.
    /// </summary>
    public static ChatTemplate Plain { get; } = new(
        "plain",
        "{% for message in messages %}{{ message['role']|capitalize + ': ' + message['content'] + '\\n\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
        turn =>
        [
            Words(Capitalise(turn.Role) + ": "),
            new ChatSegment(turn.Content, IsControl: false, IsAnswer: turn.Role == ChatTurn.Assistant),
            new ChatSegment("\n\n", IsControl: false, IsAnswer: turn.Role == ChatTurn.Assistant),
        ],
        [Words("Assistant:")])
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

    /// <summary>Finds the known template that a Jinja text stands for.</summary>
    /// <param name="jinja">The <c>chat_template</c> of a checkpoint.</param>
    /// <exception cref="ChatTemplateException">No known template has this text.</exception>
    public static ChatTemplate FromJinja(string jinja)
    {
        ArgumentNullException.ThrowIfNull(jinja);

        // Jinja drops one line end at the end of a template.
        var text = jinja.EndsWith('\n') ? jinja[..^1] : jinja;
        foreach (var template in (ChatTemplate[])[Kotonoha, ChatMl, Plain])
            if (template.Jinja == text)
                return template;
        throw new ChatTemplateException(
            "This chat template is not supported yet; pass LocalGptOptions.ChatTemplate (ChatTemplate.Kotonoha, ChatTemplate.ChatMl or ChatTemplate.Plain) to use another one. "
            + $"The template begins: {text[..Math.Min(text.Length, 80)].ReplaceLineEndings(" ")}");
    }

    /// <summary>Renders a conversation piece by piece.</summary>
    /// <param name="turns">The messages, oldest first.</param>
    /// <param name="addGenerationPrompt">Ends with the beginning of the assistant's next message.</param>
    /// <exception cref="ChatTemplateException">A role is neither system, user nor assistant.</exception>
    public IReadOnlyList<ChatSegment> Render(IEnumerable<ChatTurn> turns, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(turns);
        var segments = new List<ChatSegment>();
        foreach (var turn in turns)
        {
            if (turn.Role is not (ChatTurn.System or ChatTurn.User or ChatTurn.Assistant))
                throw new ChatTemplateException($"The chat template '{Name}' has no place for a message of the role '{turn.Role}'; send system, user and assistant messages only.");
            segments.AddRange(renderTurn(turn).Where(s => s.Text.Length > 0));
        }

        if (addGenerationPrompt)
            segments.AddRange(generationPrompt);
        return segments;
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

    private static ChatSegment Control(string token) => new(token, IsControl: true, IsAnswer: false);

    private static ChatSegment Words(string text) => new(text, IsControl: false, IsAnswer: false);

    private static string Capitalise(string role) => char.ToUpperInvariant(role[0]) + role[1..];
}
