using System.Text;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.LocalModel.Tests.Checkpoints.Hub;

public sealed class HubSelectionTests
{
    private static readonly HubModelName Model = HubModelName.Parse("ann/tiny");

    [Fact]
    public void A_sharded_model_takes_its_index_and_shards_and_no_second_copy()
        => Assert.Equal(
            ["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            Choose(["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                "consolidated.safetensors", "pytorch_model.bin", "onnx/model.onnx"]).Files);

    [Fact]
    public void A_sentence_encoder_takes_the_folders_of_its_modules()
    {
        string[] names =
            ["1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin", "config.json",
                "model.safetensors", "modules.json", "onnx/model.onnx", "vocab.txt"];
        var selection = new HubSelection(Model, names, null);
        Assert.Equal("modules.json", selection.Preliminary);
        var modules = Encoding.UTF8.GetBytes("""[{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Dense"}]""");
        Assert.Equal(
            ["1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "config.json", "model.safetensors",
                "modules.json", "vocab.txt"],
            selection.Choose(modules).Files.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_only_GGUF_file_is_the_model_and_of_several_one_must_be_named()
    {
        Assert.Equal("tiny.gguf", Choose(["README.md", "tiny.gguf"]).Main);
        var error = Assert.Throws<HubException>(() => Choose(["a.Q4_0.gguf", "a.Q8_0.gguf"]));
        Assert.Contains("--file", error.Message, StringComparison.Ordinal);
        Assert.Contains("a.Q8_0.gguf", error.Message, StringComparison.Ordinal);
        Assert.Equal(["a.Q8_0.gguf"], Choose(["a.Q4_0.gguf", "a.Q8_0.gguf"], "a.Q8_0.gguf").Files);
        Assert.Equal(["b-00001-of-00002.gguf", "b-00002-of-00002.gguf"],
            Choose(["b-00001-of-00002.gguf", "b-00002-of-00002.gguf", "c-00001-of-00002.gguf"], "b-00002-of-00002.gguf").Files);
    }

    [Theory]
    [InlineData("pytorch_model.bin")]
    [InlineData("weights.pt")]
    [InlineData("model.ckpt")]
    [InlineData("x/model.PKL")]
    public void Pickled_weights_are_refused_with_a_word_on_what_to_take_instead(string name)
    {
        var alone = Assert.Throws<HubException>(() => Choose(["config.json", name]));
        Assert.Contains("safetensors or GGUF", alone.Message, StringComparison.Ordinal);
        var asked = Assert.Throws<HubException>(() => Choose(["config.json", "model.safetensors", name], name));
        Assert.Contains("model.safetensors", asked.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_there_is_answered_with_those_that_are()
        => Assert.Contains("tiny.gguf", Assert.Throws<HubException>(() => Choose(["tiny.gguf"], "big.gguf")).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("../x")]
    [InlineData("\\ud800")]
    public void A_module_folder_that_leads_elsewhere_or_is_no_text_is_refused(string path)
        => Assert.Throws<HubException>(() => new HubSelection(Model, ["modules.json"], null).Choose(Encoding.UTF8.GetBytes($$"""[{"path": "{{path}}"}]""")));

    private static (IReadOnlyList<string> Files, string? Main) Choose(string[] names, string? file = null)
        => new HubSelection(Model, names, file).Choose(null);
}
