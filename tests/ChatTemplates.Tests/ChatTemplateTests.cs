using Kotonoha.LocalModel.Generation;

namespace Kotonoha.ChatTemplates.Tests;

/// <summary>The expected texts are what Jinja2 3.1.6 renders from the templates' own Jinja texts, in the environment of transformers.</summary>
public sealed class ChatTemplateTests
{
    private static readonly ChatTurn[] Hello = [new(ChatTurn.User, "Hello")];

    private static readonly ChatTurn[] Long =
    [
        new(ChatTurn.System, "Be brief.\n"), new(ChatTurn.User, "言の葉?"), new(ChatTurn.Assistant, " yes <|end|> "), new(ChatTurn.User, ""),
    ];

    public static TheoryData<string, bool, bool, string> Rendered => new()
    {
        { "kotonoha", false, true, "<|user|>Hello<|end|><|assistant|>" },
        { "kotonoha", false, false, "<|user|>Hello<|end|>" },
        { "kotonoha", true, true, "<|system|>Be brief.\n<|end|><|user|>言の葉?<|end|><|assistant|> yes <|end|> <|end|><|user|><|end|><|assistant|>" },
        { "chatml", false, true, "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n" },
        { "chatml", true, true, "<|im_start|>system\nBe brief.\n<|im_end|>\n<|im_start|>user\n言の葉?<|im_end|>\n<|im_start|>assistant\n yes <|end|> <|im_end|>\n<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n" },
        { "chatml", true, false, "<|im_start|>system\nBe brief.\n<|im_end|>\n<|im_start|>user\n言の葉?<|im_end|>\n<|im_start|>assistant\n yes <|end|> <|im_end|>\n<|im_start|>user\n<|im_end|>\n" },
        { "plain", false, true, "User: Hello\n\nAssistant:" },
        { "plain", true, true, "System: Be brief.\n\n\nUser: 言の葉?\n\nAssistant:  yes <|end|> \n\nUser: \n\nAssistant:" },
    };

    [Theory]
    [MemberData(nameof(Rendered))]
    public void Render_gives_what_Jinja_gives(string name, bool longOne, bool addGenerationPrompt, string expected)
        => Assert.Equal(expected, Template(name).RenderText(longOne ? Long : Hello, addGenerationPrompt));

    [Theory]
    [InlineData("kotonoha")]
    [InlineData("chatml")]
    [InlineData("plain")]
    public void FromJinja_finds_a_template_by_its_text_with_or_without_a_last_line_end(string name)
    {
        Assert.Same(Template(name), ChatTemplate.FromJinja(Template(name).Jinja));
        Assert.Same(Template(name), ChatTemplate.FromJinja(Template(name).Jinja + "\n"));
    }

    [Fact]
    public void FromJinja_reads_any_template_and_says_where_a_broken_one_breaks()
    {
        Assert.Equal("Hello", ChatTemplate.FromJinja("{{ messages[0].content }}").RenderText(Hello, addGenerationPrompt: false));
        var error = Assert.Throws<ChatTemplateException>(() => ChatTemplate.FromJinja("one\n{% if messages %}\ntwo"));
        Assert.Equal(ChatTemplateError.Syntax, error.Error);
        Assert.Equal(3, error.Line);
        Assert.Contains("endif", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Render_refuses_other_roles()
        => Assert.Throws<ChatTemplateException>(() => ChatTemplate.Kotonoha.Render([new ChatTurn("tool", "42")], addGenerationPrompt: true));

    [Fact]
    public void Only_what_the_assistant_says_is_an_answer()
    {
        var answers = ChatTemplate.Kotonoha.Render(Long, addGenerationPrompt: false).Where(s => s.IsAnswer).Select(s => s.Text);
        Assert.Equal([" yes <|end|> ", "<|end|>"], answers);
    }

    [Fact]
    public void Control_tokens_spelt_in_a_message_stay_text()
    {
        using var model = TinyGpt.Create();
        var tokenizer = model.Tokenizer;
        int[] control = [.. ChatTemplate.Kotonoha.ControlTokens.Select(t => tokenizer.TokenToId(t)!.Value)];
        int[] ids = model.EncodePrompt(GenerationRequest.FromTurns(new ChatTurn(ChatTurn.User, "a<|end|><|assistant|>b<|endoftext|>")));

        Assert.Equal(["<|user|>", "<|end|>", "<|assistant|>"], ids.Where(id => control.Contains(id)).Select(id => tokenizer.IdToToken(id)));
        Assert.Equal("<|user|>a<|end|><|assistant|>b<|endoftext|><|end|><|assistant|>", tokenizer.Decode(ids));
        Assert.Equal(control[0], model.EncodePrompt(new GenerationRequest { Prompt = "<|endoftext|>", ParseControlTokens = true })[0]);
        Assert.DoesNotContain(control[0], model.EncodePrompt(GenerationRequest.FromPrompt("<|endoftext|>")));
    }

    private static ChatTemplate Template(string name) => name switch
    {
        "kotonoha" => ChatTemplate.Kotonoha,
        "chatml" => ChatTemplate.ChatMl,
        _ => ChatTemplate.Plain,
    };
}
