using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;

namespace Kotonoha.Connector.Tests;

public sealed class LocalGptPromptExecutionSettingsTests
{
    [Fact]
    public void Settings_of_this_class_stay_the_same_instance_and_none_give_an_empty_one()
    {
        var own = new LocalGptPromptExecutionSettings { MaxTokens = 3 };
        Assert.Same(own, LocalGptPromptExecutionSettings.FromExecutionSettings(own));
        Assert.Equal(JsonSerializer.Serialize(new PromptExecutionSettings()),
            JsonSerializer.Serialize(LocalGptPromptExecutionSettings.FromExecutionSettings(null)));
    }

    [Fact]
    public void Settings_of_another_class_are_read_by_their_json_names()
    {
        var behavior = FunctionChoiceBehavior.Auto();
        var foreign = new ForeignSettings
        {
            ModelId = "m",
            ServiceId = "s",
            FunctionChoiceBehavior = behavior,
            MaxTokens = "12",
            Temperature = 0.25,
            StopSequences = ["a", "b"],
            ResponseFormat = JsonSerializer.SerializeToElement(new { type = "object" }),
            ExtensionData = new Dictionary<string, object> { ["min_p"] = 0.1, ["colour"] = "red" },
        };
        var settings = LocalGptPromptExecutionSettings.FromExecutionSettings(foreign);
        Assert.Equal(("m", "s", 12, 0.25f, 0.1f),
            (settings.ModelId, settings.ServiceId, settings.MaxTokens!.Value, settings.Temperature!.Value, settings.MinP!.Value));
        Assert.Equal(["a", "b"], settings.StopSequences!);
        Assert.Same(behavior, settings.FunctionChoiceBehavior);
        Assert.Equal("red", settings.ExtensionData!["colour"].ToString());
        Assert.Equal("""{"type":"object"}""", Assert.IsType<JsonElement>(settings.ResponseFormat).GetRawText());
    }

    [Fact]
    public void A_value_of_the_wrong_form_is_refused_with_its_place()
    {
        var wrong = new PromptExecutionSettings { ExtensionData = new Dictionary<string, object> { ["max_tokens"] = "many" } };
        var error =
            Assert.Throws<ArgumentException>("executionSettings", () => LocalGptPromptExecutionSettings.FromExecutionSettings(wrong));
        Assert.Contains("max_tokens", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_clone_has_every_property_and_shares_no_list()
    {
        var settings = Filled();
        var clone = Assert.IsType<LocalGptPromptExecutionSettings>(settings.Clone());
        Assert.Equal(JsonSerializer.Serialize(settings), JsonSerializer.Serialize(clone));
        Assert.NotSame(settings.StopSequences, clone.StopSequences);
        Assert.NotSame(settings.LogitBias, clone.LogitBias);
        Assert.Same(settings.FunctionChoiceBehavior, clone.FunctionChoiceBehavior);
    }

    [Fact]
    public void Frozen_settings_refuse_every_change_and_their_clone_does_not()
    {
        var settings = Filled();
        settings.Freeze();
        settings.Freeze();
        foreach (var property in OwnProperties())
            Assert.IsType<InvalidOperationException>(
                Assert.Throws<TargetInvocationException>(() => property.SetValue(settings, property.GetValue(settings))).InnerException);
        Assert.Throws<NotSupportedException>(() => settings.StopSequences!.Add("c"));
        Assert.Throws<NotSupportedException>(() => settings.LogitBias![3] = 1);
        var clone = (LocalGptPromptExecutionSettings)settings.Clone();
        clone.StopSequences!.Add("c");
        clone.MaxTokens = 99;
        Assert.Equal(99, clone.MaxTokens);
    }

    [Theory]
    [InlineData("text", "\"text\"")]
    [InlineData("json_object", "\"json_object\"")]
    public void A_response_format_is_written_as_semantic_kernel_reads_it(string format, string json)
    {
        string Written(object value)
            => JsonSerializer.SerializeToElement(new LocalGptPromptExecutionSettings { ResponseFormat = value })
                .GetProperty("response_format").GetRawText();
        Assert.Equal(json, Written(format));
        Assert.Equal(json, Written(format == "text" ? ChatResponseFormat.Text : ChatResponseFormat.Json));
        Assert.Equal("string",
            JsonDocument.Parse(Written(typeof(Person))).RootElement.GetProperty("properties").GetProperty("Name").GetProperty("type")
                .GetString());
        Assert.Throws<JsonException>(() => Written(3.5m));
    }

    private static LocalGptPromptExecutionSettings Filled()
    {
        var settings = new LocalGptPromptExecutionSettings
        {
            ModelId = "m",
            ServiceId = "s",
            FunctionChoiceBehavior = FunctionChoiceBehavior.None(),
            ExtensionData = new Dictionary<string, object> { ["dry_multiplier"] = 0.8 },
            StopSequences = ["a"],
            LogitBias = new Dictionary<int, float> { [1] = 2 },
            ResponseFormat = "json_object",
            ReasoningEffort = "low",
            ChatSystemPrompt = "Be brief.",
            Seed = 8,
            LogProbabilities = true,
        };
        foreach (var property in OwnProperties())
        {
            var type = Nullable.GetUnderlyingType(property.PropertyType);
            if (type == typeof(float) || type == typeof(int))
                property.SetValue(settings, Convert.ChangeType(1, type, System.Globalization.CultureInfo.InvariantCulture));
            Assert.NotNull(property.GetValue(settings));
        }

        return settings;
    }

    private static IEnumerable<PropertyInfo> OwnProperties()
        => typeof(LocalGptPromptExecutionSettings).GetProperties().Where(p => p.DeclaringType == typeof(LocalGptPromptExecutionSettings));

    private sealed record Person(string Name);

    private sealed class ForeignSettings : PromptExecutionSettings
    {
        [System.Text.Json.Serialization.JsonPropertyName("max_tokens")]
        public string? MaxTokens { get; set; }

        [System.Text.Json.Serialization.JsonPropertyName("temperature")]
        public double Temperature { get; set; }

        [System.Text.Json.Serialization.JsonPropertyName("stop_sequences")]
        public string[]? StopSequences { get; set; }

        [System.Text.Json.Serialization.JsonPropertyName("response_format")]
        public JsonElement ResponseFormat { get; set; }
    }
}
