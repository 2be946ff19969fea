using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector.Tests;

/// <summary>The whole way: a tokenizer and a model made here learn three answers by heart, and the chat client gives them.</summary>
public sealed class TrainedChatTests
{
    private static readonly (string Question, string Answer)[] Lessons =
    [
        ("Who jumps over the dog?", "The quick brown fox."),
        ("言の葉とは?", "ことばのことです🌸"),
        ("Count to five.", "One, two, three, four, five."),
    ];

    [Fact]
    public async Task A_model_trained_on_conversations_answers_them_through_the_chat_client()
    {
        var tokenizer =
            Tokenizer.TrainByteLevelBpe(Lessons.SelectMany(l => new[] { l.Question, l.Answer }), 300, minFrequency: 2,
                [.. ChatTemplate.Kotonoha.ControlTokens]);
        var model =
            Gpt2.Create(
                new Gpt2Config { VocabularySize = tokenizer.VocabularySize, ContextLength = 128, Width = 64, Layers = 2, Heads = 4 },
                seed: 1);
        var tokens = new List<int>();
        var random = new Random(2);
        while (tokens.Count < 20_000)
        {
            tokens.Add(tokenizer.TokenToId("<|endoftext|>")!.Value);
            var (question, answer) = Lessons[random.Next(Lessons.Length)];
            foreach (var segment
                in ChatTemplate.Kotonoha.Render([new ChatTurn(ChatTurn.User, question), new ChatTurn(ChatTurn.Assistant, answer)],
                    addGenerationPrompt: false))
                if (segment.IsControl)
                    tokens.Add(tokenizer.TokenToId(segment.Text)!.Value);
                else
                    tokenizer.Encode(segment.Text, tokens, addSpecialTokens: false);
        }

        // Conversations stand anywhere in a window, so the positions before the question do not matter.
        var training = new TrainingOptions { Steps = 250, BatchSize = 8, ContextLength = 96, LearningRate = 3e-3, Seed = 3 };
        await new Trainer(model, training).RunAsync(TokenDataset.FromTokens([.. tokens], tokenizer.VocabularySize, validationFraction: 0));

        using var local = LocalGpt.Create(model, tokenizer);
        IChatClient client = local.AsChatClient();
        var responses = await Task.WhenAll(Lessons.Select(l => client.GetResponseAsync(l.Question)));
        for (int i = 0; i < Lessons.Length; i++)
        {
            Assert.Equal(Lessons[i].Answer, responses[i].Text);
            Assert.Equal(ChatFinishReason.Stop, responses[i].FinishReason);
        }
    }
}
