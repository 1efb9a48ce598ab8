// SPDX-License-Identifier: Apache-2.0
// A model that is served: the API, with requests as its usual clients send them.

#include <csignal>
#include <cstdlib>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/json.h"
#include "tests/end_to_end/run.h"
#include "tests/support/web_client.h"

namespace pretrain::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class Serve : public testing::Test {
 protected:
  void SetUp() override {
    const auto run = run_program(binary(), tiny_run(state()) + Words{"--steps", "10"});
    ASSERT_EQ(run.exit_code, 0) << run.output;
    program_ = std::make_unique<Program>(
        binary(), Words{"serve", state().string(), "--listen", "127.0.0.1:0", "--follow"});
    constexpr std::chrono::seconds kPatience{60};
    ASSERT_TRUE(program_->wait_until([&] { return port() != 0; }, kPatience)) << program_->output();
  }

  std::filesystem::path state() const { return folder_ / "run"; }
  uint16_t port() const {
    const std::string output = program_->output();
    const size_t at = output.find("http://127.0.0.1:");
    return at == std::string::npos
               ? 0
               : static_cast<uint16_t>(std::strtoul(output.c_str() + at + 17, nullptr, 10));
  }
  std::string post(const std::string& path, const std::string& body) const {
    WebClient client(port());
    client.send(fmt::format(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}", path,
        body.size(), body));
    return client.read_to_end();
  }
  nlohmann::json completed(const std::string& path, const std::string& body) const {
    const std::string answer = post(path, body);
    EXPECT_THAT(answer, HasSubstr("Content-Type: application/json"));
    return parse_json(answer.substr(answer.find("\r\n\r\n") + 4));
  }

  TempFolder folder_;
  std::unique_ptr<Program> program_;
};

TEST_F(Serve, ContinuesATextAsGenerateDoes) {
  const nlohmann::json models = parse_json(fetch(port(), get("/v1/models")).body);
  EXPECT_EQ(models["data"][0]["id"], "step-10");
  EXPECT_EQ(parse_json(fetch(port(), get("/v1/models/step-10")).body)["object"], "model");
  EXPECT_EQ(fetch(port(), get("/v1/models/step-11")).status, 404U);
  const nlohmann::json answer =
      completed("/v1/completions", R"({"prompt":"The river","max_tokens":12,"temperature":0})");
  const auto generated = run_program(binary(), {"generate", state().string(), "--prompt", "The river",
                                                "--tokens", "12", "--temperature", "0"});
  EXPECT_THAT(generated.output, HasSubstr("The river" + answer["choices"][0]["text"].get<std::string>()));
  EXPECT_EQ(answer["model"], "step-10");
  EXPECT_LE(answer["usage"]["completion_tokens"], 12);
}

TEST_F(Serve, StreamsTheSameText) {
  const std::string body = R"({"prompt":"The river","max_tokens":12,"temperature":0)";
  const nlohmann::json whole = completed("/v1/completions", body + "}");
  const std::string stream = post("/v1/completions", body + R"(,"stream":true})");
  EXPECT_THAT(stream, HasSubstr("Content-Type: text/event-stream"));
  EXPECT_THAT(stream, EndsWith("data: [DONE]\n\n"));
  std::string text;
  for (size_t at = stream.find("data: {"); at != std::string::npos; at = stream.find("data: {", at + 1)) {
    const nlohmann::json piece = parse_json(stream.substr(at + 6, stream.find("\n\n", at) - at - 6));
    text += piece["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(text, whole["choices"][0]["text"]);
  const std::string counted =
      post("/v1/completions", body + R"(,"stream":true,"stream_options":{"include_usage":true}})");
  const size_t last = counted.rfind("data: {");
  ASSERT_NE(last, std::string::npos) << counted;
  const nlohmann::json piece = parse_json(counted.substr(last + 6, counted.find("\n\n", last) - last - 6));
  EXPECT_TRUE(piece["choices"].empty());
  EXPECT_EQ(piece["usage"], whole["usage"]);
}

TEST_F(Serve, RefusesWrongRequestsAndEnds) {
  EXPECT_THAT(post("/v1/completions", R"({"temperature":99})"), HasSubstr("temperature must be a number"));
  EXPECT_THAT(post("/v1/completions", R"({"n":2})"), HasSubstr("HTTP/1.1 400"));
  const std::string prompt(5000, 'x');
  EXPECT_THAT(post("/v1/completions", fmt::format("{{\"prompt\":\"{}\"}}", prompt)),
              HasSubstr("the model reads fewer than"));
  EXPECT_THAT(post("/v1/nothing", "{}"), HasSubstr("HTTP/1.1 404"));
  EXPECT_EQ(fetch(port(), get("/v1/completions")).status, 405U);
  EXPECT_THAT(fetch(port(), get("/")).body, HasSubstr("<textarea"));
  EXPECT_EQ(completed("/v1/chat/completions",
                      R"({"messages":[{"role":"user","content":"Hi"}],"max_tokens":2})")["object"],
            "chat.completion");
  program_->signal(SIGTERM);
  const auto result = program_->wait();
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

}  // namespace
}  // namespace pretrain::test
